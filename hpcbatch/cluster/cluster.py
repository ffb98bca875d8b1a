"""A configured cluster at work: its scheduler's commands, run through the shell."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ..disk.files import make_folder, publish, read
from ..words.errors import (
    CommandTimeout,
    ConfigError,
    ProgramMissing,
    SchedulerError,
    SubmissionDeferred,
)
from ..words.layout import PollsLayout
from ..words.model import Array, Attempt, Listing
from ..words.ranges import Ranges
from . import shell
from .config import find_cluster
from .orders import ArrayOrder, ScriptOrder, passed_environment
from .profile import ClusterConfig
from .schedulers import get_scheduler
from .schedulers.answers import Ended, Limits, Survey
from .shell import Output
from .waiting_reasons import explained

SURVEY_SECONDS = 15.0  # that a question may take where it is asked what a cluster is
LIMITS_SECONDS = 30.0  # that the question for limits may take
LIMITS_KEPT = 24 * 3600.0  # seconds that a cluster's limits are believed


class Cluster:
    """Submits, lists, cancels and asks; every method may raise SchedulerError."""

    def __init__(self, config: ClusterConfig):
        self.config = config
        self.scheduler = get_scheduler(config.scheduler)

    @classmethod
    def named(cls, name: str | None) -> Cluster:
        return cls(find_cluster(name))

    @classmethod
    def of(cls, attempt: Attempt) -> Cluster:
        """The one that an attempt went to."""
        return cls.once_named(attempt.cluster, attempt.scheduler)

    @classmethod
    def once_named(cls, name: str, scheduler: str) -> Cluster:
        """The cluster of that name, also when it has left the configuration since."""
        try:
            config = find_cluster(name)
        except ConfigError:
            config = None
        if config is None or config.scheduler != scheduler:
            config = ClusterConfig(name, scheduler)
        return cls(config)

    def as_here(self) -> Cluster:
        """With what scripts take from this process written down: the interpreter, the variables
        passed on."""
        env = passed_environment(self.config.env)
        return Cluster(replace(self.config, python=self.python, env=env))

    def limited(self, longest: int | None, by: str) -> Cluster:
        """With elements of ``longest`` seconds at most (None: as it is); ``by`` says who wants it
        so."""
        known = self.config.max_walltime
        if longest is None or (known is not None and known <= longest):
            return self
        origins = {**self.config.origins, "max_walltime": by}
        return Cluster(replace(self.config, max_walltime=longest, origins=origins))

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def template(self) -> str:
        return self.config.template or self.scheduler.template

    @property
    def python(self) -> str:
        return os.path.expanduser(self.config.python) if self.config.python else sys.executable

    def script(self, array: Array, env: Mapping[str, str], **told: Any) -> str:
        """Of one array, by the cluster's template. ``told``: the fields of a ScriptOrder that the
        cluster does not set. Raises ConfigError, ResourceError."""
        from .scripts import render  # and jinja2 with it, which only a submission needs

        own = self.config
        order = ScriptOrder(
            array=ArrayOrder(array.name, array.first, array.count, array.base),
            env={**own.env, **env},
            setup=own.setup,
            container=own.container,
            python=self.python,
            **told,
        )
        return render(self.template, order)

    def check_here(self) -> None:
        """Raises ProgramMissing on a host without its programs."""
        if not set(self.scheduler.programs).isdisjoint(self.scheduler.missing()):
            raise self._is_not_here()

    def _is_not_here(self) -> ProgramMissing:
        missing = self.scheduler.missing()
        return ProgramMissing(
            f"cluster {self.name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not "
            "on PATH here. Is this a login node of the cluster, and is the scheduler's module "
            "loaded? hpcbatch clusters shows those that are here"
        )

    def submit(self, script: str) -> str:
        """The id of the array. Raises SubmissionRejected, SubmissionDeferred, CommandTimeout."""
        return self.scheduler.parse_submit(self.run(self.scheduler.submit_argv(), script))

    def listing(self, before: Listing | None = None) -> Listing:
        """What is alive; what an earlier listing explained is not asked again."""
        asked = time.time()
        output = self.run(self.scheduler.list_argv(shell.user_name()))
        return explained(self, Listing(asked, self.scheduler.parse_list(output)), before)

    def check_answers(self) -> None:
        """Raises SchedulerError where nothing is listed within the time of a question."""
        argv = self.scheduler.list_argv(shell.user_name())
        self.scheduler.parse_list(self.run(argv, timeout=SURVEY_SECONDS))

    def cancel(self, array: str, indices: Ranges | None = None) -> None:
        for argv in self.scheduler.cancel_argv(array, indices):
            self.scheduler.parse_cancel(self.run(argv))

    def history(self, arrays: Sequence[str], since: float) -> list[Ended]:
        """How elements ended, as far as anyone knows: a source that fails is passed over."""
        found: list[Ended] = []
        for argv in self.scheduler.history_argv(arrays, since):
            try:
                found += self.scheduler.parse_history(self.run(argv))
            except SchedulerError as error:
                shell.log.info("history: %s", error)
        return found

    def survey(self) -> Survey:
        """What the cluster is, as far as its programs tell."""
        found: list[Output] = []
        for argv in self.scheduler.survey_argv(shell.user_name()):
            try:
                found.append(self.run(argv, timeout=SURVEY_SECONDS))
            except CommandTimeout as error:
                shell.log.warning("survey: %s", error)
                break  # the others would wait for the same
            except SchedulerError as error:
                shell.log.info("survey: %s", error)
        return self.scheduler.parse_survey(found)

    def limits(self, root: str) -> Limits:
        """Asked of the cluster once a day and kept in the registry ``root``; what is configured
        stands. Raises SubmissionDeferred when the cluster cannot tell now, and never did."""
        found, own = self._asked_limits(root), self.config
        return replace(
            found,
            array=own.array_limit or found.array,
            memory_unit=own.memory_unit or found.memory_unit,
        )

    def _asked_limits(self, root: str) -> Limits:
        argv = self.scheduler.limits_argv()
        if argv is None:
            return Limits()
        polls = PollsLayout(root, self.config.scheduler)
        kept: Limits | None = None
        try:
            fields = json.loads(read(polls.limits))
            age = time.time() - fields.pop("time")
            kept = Limits(**fields)
            if 0 <= age < LIMITS_KEPT:
                return kept
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # nothing kept yet, or nothing that can be used: ask
        try:
            limits = self.scheduler.parse_limits(self.run(argv, timeout=LIMITS_SECONDS))
        except SchedulerError as error:
            if kept is not None:
                return kept
            if self.config.array_limit is not None:
                return Limits()
            if self.scheduler.missing():
                raise self._is_not_here() from error
            if isinstance(error, ProgramMissing):
                raise
            raise SubmissionDeferred(
                f"cluster {self.name} cannot tell its limits now, without which nothing is "
                "submitted: is its scheduler up? Where it never tells them, "
                f"give 'array_limit' in its configuration. {error}"
            ) from error
        if os.path.isdir(root):  # who only looks makes none
            make_folder(polls.folder)
            publish(polls.limits, json.dumps({"time": time.time(), **asdict(limits)}).encode())
        return limits

    def run(self, argv: list[str], stdin: str = "", timeout: float | None = None) -> Output:
        """Run one of the scheduler's commands."""
        own = self.scheduler
        return shell.run(
            argv, stdin, timeout=timeout, variables=own.variables, settings=own.settings
        )
