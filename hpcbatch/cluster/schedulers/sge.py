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
from .units import bytes_of, seconds_of

_ID = re.compile(r"^(\d+)(?:\.\d+-\d+:\d+)?\s*$", re.MULTILINE)
_TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_RUNNING_LETTERS = "rtsST"  # Rr, dr, … : running, in transfer, suspended
_RULE = re.compile(r"^={20,}$", re.MULTILINE)
_HAVE_ENDED = ("does not exist", "comprises no tasks")  # said on standard output
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ERROR = re.compile(r"^error reason +\d+: *(?:\S+ [\d:]+ \[\d+:\d+\]: )?(.+)$", re.MULTILINE)
_OBSTACLE = re.compile(r"^(?:scheduling info:)? +(.*cannot run .*because .+)$", re.MULTILINE)
_DOUBT = re.compile(r"^Job \S+ (.*cannot run .*)$", re.MULTILINE)
_REQUESTS = re.compile(r"(?<!-soft )-l (\S+)")
_ENFORCED, _AFTER_JOB = 37, 100  # of the field ``failed``, see sge_status(5)


class GridEngine(Scheduler):
    name = "sge"
    template = "sge.sh.j2"
    programs = ("qsub", "qstat", "qdel", "qconf")  # the last: others have the first three
    variables = ("SGE_ROOT", "SGE_CELL", "SGE_QMASTER_PORT", "SGE_EXECD_PORT", "SGE_CLUSTER_NAME")
    base = 1
    pauses_with = ("SIGUSR1",)  # with -notify
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
            for index in _indices(job.findtext("tasks")):
                found.append(
                    Sighting(
                        job.findtext("JB_job_number", ""),
                        index,
                        job.findtext("JB_name", ""),
                        running,
                        word,
                        stuck="E" in word,
                    )
                )
        return found

    def explain_argv(self, array: str) -> Argv | None:
        return ["qstat", "-j", array]

    def parse_explain(self, output: Output) -> str:
        said = self.checked(output)
        errors = dict.fromkeys(_ERROR.findall(said))
        if errors:
            first = next(iter(errors)).strip()
            return f"{first}; once that is mended, 'qmod -cj {output.argv[-1]}' lets it run"
        return "; ".join(dict.fromkeys(_OBSTACLE.findall(said)))

    def doubt_argv(self, array: str) -> Argv | None:
        return ["qalter", "-w", "v", array]

    def parse_doubt(self, output: Output) -> str:
        """It takes the cluster for empty, and knows no load values: a request for such a one is
        doubted for nothing, so nobody is told that it is stuck."""
        obstacles = dict.fromkeys(_DOUBT.findall(output.stdout + output.stderr))
        return f"may never run: {'; '.join(obstacles)}" if obstacles and output.status else ""

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
        """An element that ran again has several records: the last one counts."""
        found = {}
        for record in _RULE.split(output.stdout):
            lines = (line.split(None, 1) for line in record.splitlines())
            fields = {words[0]: words[1].strip() for words in lines if len(words) == 2}
            index, failed = _number(fields, "taskid"), _number(fields, "failed")
            of_element = fields.get("pe_taskid", "NONE") == "NONE"
            if of_element and "jobnumber" in fields and index is not None and failed is not None:
                array, element = fields["jobnumber"], int(index)
                found[array, element] = Ended(array, element, _ending(int(failed), fields))
        return list(found.values())

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
    signal = status - 128 if failed in (_ENFORCED, _AFTER_JOB) and status > 128 else None
    reason = _reason(failed, status, fields)
    if reason == "out-of-memory":
        memory = _size(fields, "maxvmem")
    else:  # ru_maxrss is in kilobytes, and printed as if it were in bytes
        memory = _size(fields, "maxrss") or 1024 * (_size(fields, "ru_maxrss") or 0)
    return Ending(
        reason,
        status if signal is None else None,
        signal,
        fields.get("hostname", ""),
        elapsed=_number(fields, "ru_wallclock"),
        memory=memory or None,
    )


def _reason(failed: int, status: int, fields: dict[str, str]) -> str:
    if not failed:
        return f"exit-code {status}" if status else "ended"
    if failed not in (_ENFORCED, _AFTER_JOB):
        return "node-failure" if failed in (19, 21, 22, 26) else f"failed {failed}"
    if fields.get("deleted_by", "NONE") != "NONE":
        return "canceled"
    found = _REQUESTS.search(fields.get("category", ""))
    asked = dict(item.split("=", 1) for item in found[1].split(",") if "=" in item) if found else {}
    memory, used = bytes_of(asked.get("h_vmem", "")), _size(fields, "maxvmem") or 0
    if memory and used >= memory * (_number(fields, "slots") or 1):
        return "out-of-memory"
    elapsed = _number(fields, "ru_wallclock") or 0
    limits = [seconds_of(asked[name]) for name in ("h_rt", "s_rt") if name in asked]
    if any(limit and elapsed >= limit for limit in limits):
        return "timeout"
    return "timeout" if failed == _ENFORCED else "killed"  # h_cpu: a time too


def _size(fields: dict[str, str], name: str) -> int | None:
    return bytes_of(fields.get(name, ""))
