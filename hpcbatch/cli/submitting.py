"""map, script and resubmit."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING

import click

from ..registry.registry import Registry
from ..use.create import Mended
from ..use.resubmit import Resubmission
from ..words.errors import (
    StateError,
    SubmissionDeferred,
    SubmissionError,
    UsageError,
)
from ..words.options import SubmitOptions
from ..words.ranges import chosen
from .common import (
    Invocation,
    common,
    completed,
    jobs_option,
    listed,
    print_json,
    say,
    states_option,
    task_argument,
)
from .options import submit_options
from .stopping import Stop, interruptible, stop_for
from .submitted import finish, how_to_go_on, or_away
from .waiting import Busy
from .work import Work, asked_options, load_with_project, named_project, project_option

if TYPE_CHECKING:
    from ..sites.base import Site
    from ..words.model import Attempt, TaskSpec

NOTHING = "nothing was submitted"  # when Ctrl-C comes before that
MAYBE_STORED = f"{NOTHING}; the site may have stored the task: hpcbatch list shows it there"


@click.command("map")
@asked_options
@submit_options
@click.option("--wait", is_flag=True, help="Wait until all jobs are resolved.")
@common
def map_command(invocation: Invocation, asked: Work, options: SubmitOptions, wait: bool) -> None:
    """Run a function or a program over many inputs. Prints the id of the new task.

    One job per position of the columns. VALUES are range:START:STOP[:STEP], a list such as
    1,2,3, a JSON list, or @FILE with a value a line ("-" is standard input). A value is read as
    JSON (number, true, false, null, "text"), and else is text. For --shell it stays as it was
    written, and is quoted; {index} and {seed} of the job can be used as well, and exit status
    and output are the result.

    Modules beside the file travel with the task. --with-project sends a whole source folder, but
    for what git ignores: FOLDER, or the nearest one above the file that is the top of a git
    repository or has a pyproject.toml. Write it behind the function, or as --with-project=FOLDER.

    A dry run is hpcbatch script with the same arguments: it prints what would be submitted.

    \b
    Examples:
      hpcbatch map sim.py:simulate --arg x=range:0:100 --const y=3 --walltime 10m
      hpcbatch map sim.py:simulate --arg x=1,2,3 --arg mode='["fast", "slow"]' --grid
      hpcbatch map sim.py:simulate --args-file params.csv --cluster slurm --memory 2GB --wait
      hpcbatch map scripts/sim.py:simulate --arg x=range:0:100 --with-project
      hpcbatch map --shell './sim --x {x} --seed {seed}' --args-file params.csv
    """
    with interruptible(NOTHING):
        site = invocation.site()
        with Busy("reading the inputs"):
            draft = asked.draft()
        options = site.checked(options)
    with interruptible(_if_interrupted(site)), Busy("storing them"):
        spec = site.create(draft)
    attempt = _submit_new(site, spec, options)
    finish(invocation, site, spec, attempt, wait)


@click.command("script")
@asked_options
@submit_options
@common
def script(invocation: Invocation, asked: Work, options: SubmitOptions) -> None:
    """Print the script that map would submit. Nothing is submitted or stored.

    Takes the arguments of map. With --site it is the script that would be made there.

    \b
    Examples:
      hpcbatch script sim.py:simulate --arg x=range:0:100 --cluster slurm --memory 2GB
      hpcbatch script --shell './sim {x}' --arg x=range:0:10 --cluster sge > job.sh
    """
    site = invocation.site()
    with tempfile.TemporaryDirectory(prefix="hpcbatch-") as folder:
        spec = Registry(folder).create(asked.draft())
    made = site.preview(spec, options)
    if invocation.json:
        print_json(made._asdict())
    else:
        click.echo(made.script, nl=False)


@click.command("resubmit")
@task_argument
@states_option("--only")
@jobs_option
@click.option(
    "--function",
    metavar="FILE.py:NAME",
    shell_complete=completed("functions"),
    help="Call this instead, from now on [default: as it was sent with the task].",
)
@project_option
@click.option("--revoke", is_flag=True, help="Take jobs that wait or run from their elements.")
@submit_options
@click.option("--wait", is_flag=True, help="Wait until all jobs are resolved.")
@common
def resubmit(
    invocation: Invocation,
    task: str,
    only: tuple[str, ...],
    jobs: str | None,
    function: str | None,
    with_project: str | None,
    revoke: bool,
    options: SubmitOptions,
    wait: bool,
) -> None:
    """Submit again the jobs that have no result. Results that are there are never touched.

    By default all unfinished jobs, on the last cluster, with its resources.

    \b
    Examples:
      hpcbatch resubmit last
      hpcbatch resubmit last --only expired --memory 8GB
      hpcbatch resubmit 3f9a --jobs 3,7-9 --cluster local
      hpcbatch resubmit 3f9a --only error --function sim.py:simulate
    """
    with interruptible(NOTHING):
        site, task_id = invocation.find(task)
        spec = site.spec(task_id)
        if function is None:
            mended = Mended.chosen(spec, None, named_project(with_project))
            _tell_of_changed(site, spec)
        else:
            mended = Mended.chosen(spec, *load_with_project(function, with_project))
    with interruptible(how_to_go_on(task_id)), Busy("submitting"):
        asked = Resubmission(options, listed(only), chosen(jobs), mended, revoke)
        attempt = site.resubmit(task_id, asked)
    finish(invocation, site, spec, attempt, wait)


def _tell_of_changed(site: Site, spec: TaskSpec) -> None:
    """A bug that was mended in the file alone is run again."""
    from ..use.changed_sources import changed_sources

    if changed := changed_sources(spec, site.modules):
        say(
            f"Changed since the task was made: {changed}. Its jobs run what was sent with it; "
            "--function FILE.py:NAME sends the function, and what is beside it, as it is now."
        )


def _if_interrupted(site: Site) -> str:
    """When Ctrl-C comes while a task is stored: here that is done whole or not at all."""
    from ..sites.here import Here

    return NOTHING if isinstance(site, Here) else MAYBE_STORED


def _submit_new(site: Site, spec: TaskSpec, options: SubmitOptions) -> Attempt | None:
    try:
        with interruptible(how_to_go_on(spec.id)), Busy("submitting"):
            return site.submit(spec.id, options)
    except Stop:
        raise  # it says how to go on
    except Exception as error:
        if isinstance(error, UsageError) and _could_remove(site, spec):
            raise
        # an attempt that a scheduler refused keeps them; before, there may be none
        keeps = isinstance(error, SubmissionError) and not isinstance(error, SubmissionDeferred)
        again = ", with other options" if keeps else ", with these options once more"
        stop = stop_for(error)
        told = f"{stop.message}\nThe task is stored: {or_away(spec.id, again)}."
        raise Stop(told, stop.status, stop.kind) from error


def _could_remove(site: Site, spec: TaskSpec) -> bool:
    """What could not be right leaves nothing, unless a part of it was submitted."""
    with contextlib.suppress(StateError):
        site.remove(spec.id)
        return True
    return False
