"""Grid Engine (Son of Grid Engine 8, Univa). Commands and fields: qsub(1), qstat(1), qdel(1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ....words.errors import CommandFailed
from ....words.model import Sighting
from ....words.ranges import Ranges
from ...shell import Output
from ..answers import Ended, Limits, Survey
from ..base import Argv, Scheduler
from .endings import endings
from .survey import parse_survey, survey_argv

_ID = re.compile(r"^(\d+)(?:\.\d+-\d+:\d+)?\s*$", re.MULTILINE)
_TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")
_RUNNING_LETTERS = "rtsST"  # Rr, dr, … : running, in transfer, suspended
_HAVE_ENDED = ("does not exist", "comprises no tasks")  # said on standard output
_ERROR = re.compile(r"^error reason +\d+: *(?:\S+ [\d:]+ \[\d+:\d+\]: )?(.+)$", re.MULTILINE)
_OBSTACLE = re.compile(r"^(?:scheduling info:)? +(.*cannot run .*because .+)$", re.MULTILINE)
_DOUBT = re.compile(r"^Job \S+ (.*cannot run .*)$", re.MULTILINE)


class GridEngine(Scheduler):
    name = "sge"
    template = "sge.sh.j2"
    programs, known_by = ("qsub", "qstat", "qdel"), "qconf"
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
        return endings(output.stdout)

    def limits_argv(self) -> Argv:
        return ["qconf", "-sconf"]

    def parse_limits(self, output: Output) -> Limits:
        found = re.search(r"^max_aj_tasks\s+(\d+)", self.checked(output), re.MULTILINE)
        if found is None:
            raise CommandFailed(f"it does not tell max_aj_tasks: {output}")
        return Limits(array=int(found[1]) or None)  # 0: no limit

    def survey_argv(self, user: str) -> list[Argv]:
        return survey_argv()

    def parse_survey(self, outputs: Sequence[Output]) -> Survey:
        return parse_survey(outputs)


def _indices(tasks: str | None) -> Iterator[int | None]:
    """``9``, ``17-100:1`` or a comma-separated list of both; None for a job without tasks."""
    if not tasks:
        yield None
        return
    for first, last, step in _TASKS.findall(tasks):
        yield from range(int(first), int(last or first) + 1, int(step or 1))
