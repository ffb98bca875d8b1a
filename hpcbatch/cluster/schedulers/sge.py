"""Grid Engine (Son of Grid Engine 8, Univa). Commands and fields: qsub(1), qstat(1), qacct(1),
accounting(5), sge_status(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ...words.errors import CommandFailed
from ...words.model import Ending, Sighting
from ...words.ranges import Ranges
from ..shell import Output
from .base import Argv, Ended, Limits, Scheduler

_ID = re.compile(r"^(\d+)(?:\.\d+-\d+:\d+)?\s*$", re.MULTILINE)
_TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_RUNNING_LETTERS = "rtsST"  # Rr, dr, … : running, in transfer, suspended
_RULE = re.compile(r"^={20,}$", re.MULTILINE)
_HAVE_ENDED = ("does not exist", "comprises no tasks")  # said on standard output
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class GridEngine(Scheduler):
    name = "sge"
    template = "sge.sh.j2"
    programs = ("qsub", "qstat", "qdel")
    variables = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT", "SGE_CLUSTER_NAME")
    base = 1
    unclear_words = ("failed receiving gdi request response", "can't get response")
    deferred_words = (
        "unable to contact qmaster",
        "unable to send message to qmaster",
        "error: commlib error",
        "jobs are allowed per user",
        "jobs are allowed per cluster",
        "not enough memory",
    )

    def submit_argv(self) -> Argv:
        return ["qsub", "-terse"]

    def parse_id(self, stdout: str) -> str | None:
        found = _ID.findall(stdout)  # a site's filter may print before and after it
        return str(found[-1]) if found else None

    def list_argv(self, user: str) -> Argv:
        return ["qstat", "-u", user, "-xml"]

    def parse_list(self, output: Output) -> list[Sighting]:
        from xml.etree import ElementTree

        try:
            tree = ElementTree.fromstring(self.checked(output))
        except ElementTree.ParseError as error:
            raise CommandFailed(f"{output.argv[0]} did not answer in XML: {error}") from error
        if not tree.tag.endswith("job_info"):
            raise CommandFailed(f"{output.argv[0]} answered <{tree.tag}>, which is no listing")
        found = []
        for job in tree.iter("job_list"):
            word = job.findtext("state", "")
            running = any(letter in _RUNNING_LETTERS for letter in word) and "q" not in word
            why = "an error: see qstat -j" if "E" in word else ""
            for index in _indices(job.findtext("tasks")):
                found.append(
                    Sighting(
                        job.findtext("JB_job_number", ""),
                        index,
                        job.findtext("JB_name", ""),
                        running,
                        word,
                        why,
                    )
                )
        return found

    def cancel_argv(self, array: str, indices: Ranges | None) -> list[Argv]:
        if indices is None:
            return [["qdel", array]]
        return [["qdel", array, "-t", f"{start}-{stop - 1}"] for start, stop in indices.runs]

    def parse_cancel(self, output: Output) -> None:
        if not any(words in output.stdout + output.stderr for words in _HAVE_ENDED):
            super().parse_cancel(output)

    def history_argv(self, arrays: Sequence[str], since: float) -> list[Argv]:
        return [["qacct", "-j", array] for array in arrays]

    def parse_history(self, output: Output) -> Iterable[Ended]:
        for record in _RULE.split(output.stdout):
            lines = (line.split(None, 1) for line in record.splitlines())
            fields = {words[0]: words[1].strip() for words in lines if len(words) == 2}
            index, failed = _number(fields, "taskid"), _number(fields, "failed")
            if "jobnumber" in fields and index is not None and failed is not None:
                yield Ended(fields["jobnumber"], int(index), _ending(int(failed), fields))

    def limits_argv(self) -> Argv:
        return ["qconf", "-sconf"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^max_aj_tasks\s+(\d+)", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell max_aj_tasks: {output}")
        return Limits(array=int(found[1]) or None)  # 0: no limit


def _indices(tasks: str | None) -> Iterator[int | None]:
    """``9``, ``17-100:1`` or a comma-separated list of both; None for a job without tasks."""
    if not tasks:
        yield None
        return
    for first, last, step in _TASKS.findall(tasks):
        yield from range(int(first), int(last or first) + 1, int(step or 1))


def _number(fields: dict[str, str], name: str) -> float | None:
    """What a field begins with: ``137 (Killed)``, ``2.5s``; None for ``undefined``."""
    found = _NUMBER.match(fields.get(name, ""))
    return float(found[0]) if found else None


def _ending(failed: int, fields: dict[str, str]) -> Ending:
    status = int(_number(fields, "exit_status") or 0)
    signal = status - 128 if failed in (37, 100) and status > 128 else None
    if failed == 37:  # qmaster enforced h_rt, h_cpu or h_vmem: it does not say which
        reason = "timeout"
    elif failed == 100:
        reason = "killed"
    elif failed:
        reason = "node-failure" if failed in (19, 21, 22, 26) else f"failed {failed}"
    else:
        reason = f"exit-code {status}" if status else "ended"
    elapsed = _number(fields, "ru_wallclock")
    return Ending(reason, status, signal, fields.get("hostname", ""), None, elapsed)
