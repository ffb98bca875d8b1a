"""No command, public name or error is missing from the pages; what they name is there."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator

import click
import pytest

import hpcbatch as hb
from hpcbatch.cli.main import SECTIONS, main
from hpcbatch.cluster.config import EXTENDS
from hpcbatch.cluster.profile import READERS
from hpcbatch.words import errors
from tests.core import ROOT
from tests.docs.pages import Page, page, pages

HANDLES = {"hb": hb, "task": hb.Task, "pool": hb.Controller}
OURS = re.compile(r"(?<![\w.\"'])(hb|task|pool)\.([a-z_]\w*|[A-Z]\w*)")
INLINE = re.compile(r"`([^`\n]+)`")
LOCAL_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
PAGES = [pytest.param(each, id=each.name) for each in pages()]


def commands() -> dict[str, click.Command]:
    """Every command by what is typed for it."""
    return dict(_below("hpcbatch", main, click.Context(main)))


def _below(
    path: str, group: click.Group, context: click.Context
) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _below(f"{path} {name}", command, click.Context(command))


COMMANDS = commands()
LEAVES = {path: each for path, each in COMMANDS.items() if not isinstance(each, click.Group)}


def test_every_command_has_a_heading_and_an_example() -> None:
    told = page("docs/cli.md")
    headings = [each for each in told.headings() if each.startswith("hpcbatch ")]
    assert sorted(headings) == sorted(COMMANDS)
    typed = " ".join(line for block in told.blocks() for line in block.commands)
    for path in LEAVES:
        assert path in typed, f"docs/cli.md has no example of {path}"


def test_the_page_and_the_help_have_the_same_sections() -> None:
    told: dict[str, list[str]] = {}
    for level, heading in re.findall(r"^(##|###) (.+)$", page("docs/cli.md").prose(), re.M):
        if level == "##":
            section = told.setdefault(heading, [])
        elif len(words := heading.split()) == 2:
            section.append(words[1])
    assert list(told.items()) == [(name, list(each)) for name, each in SECTIONS.items()]


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_every_command_has_an_example_of_it(path: str) -> None:
    told = COMMANDS[path].get_help(click.Context(COMMANDS[path], info_name=path))
    _, _, behind = told.partition("\n  Examples:\n")
    examples = [line.strip() for line in behind.partition("\n\n")[0].splitlines()]
    assert any(line.startswith(path) for line in examples)
    for line in examples:
        check(line, f"{path} --help")


def test_the_options_of_all_commands_are_those_that_are_told() -> None:
    everywhere = {"--json", "--root", "--debug"}
    told = page("docs/cli.md").prose()
    but_for = re.search(r"go with all of them.*?So does `--site`, but for(.*?):", told, re.S)
    assert but_for
    excepted = [f"hpcbatch {name}" for name in INLINE.findall(but_for[1])]
    assert set(excepted) <= COMMANDS.keys()
    for path, command in LEAVES.items():
        listed = {
            name
            for option in command.params
            if isinstance(option, click.Option) and not option.hidden
            for name in option.opts
        }
        is_here = any(f"{path} ".startswith(f"{each} ") for each in excepted)
        wanted = everywhere if is_here else {*everywhere, "--site"}
        assert listed & {*everywhere, "--site"} == wanted, path


def test_every_public_name_has_a_heading() -> None:
    headings = set(page("docs/api.md").headings()) | set(page("docs/errors.md").headings())
    assert set(hb.__all__) <= headings


@pytest.mark.parametrize("handle", [hb.Task, hb.Job, hb.Controller])
def test_every_method_has_a_heading(handle: type) -> None:
    own = {
        f"{handle.__name__}.{name}"
        for name, value in inspect.getmembers(handle, inspect.isfunction)
        if not name.startswith("_") and value.__module__.startswith("hpcbatch")
    }
    for_the_pool = {"adopt", "cancel_waiting", "help", "keep", "resolve", "withdraw"}
    internal = for_the_pool | {"has_row", "listen", "unresolved_of"}
    own -= {f"{handle.__name__}.{name}" for name in internal}
    told = {
        each for each in page("docs/api.md").headings() if each.startswith(f"{handle.__name__}.")
    }
    assert told == own


def test_every_error_has_a_heading_and_advice() -> None:
    classes = [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, Exception)
        and value.__module__ == errors.__name__
    ]
    told = page("docs/errors.md")
    tree = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2]
    assert tree in told.text
    assert sorted(each for each in told.headings() if each in vars(errors)) == sorted(classes)
    for name in classes:
        advice = re.search(rf"^### {name}\n\n(.+)", told.text, re.M)
        assert advice, f"docs/errors.md does not say what to do about {name}"
        assert not advice[1].startswith("#")


def test_every_key_of_a_profile_is_told() -> None:
    told = INLINE.findall(page("docs/clusters.md").prose())
    assert set(READERS) | {EXTENDS} <= set(told)


INTERNAL = {
    "HPCBATCH_LOCAL_ID": "the supervisor gives it to its elements",
    "HPCBATCH_LOCAL_INDEX": "the supervisor gives it to its elements",
    "HPCBATCH_DRMAA_INDEX": "the front to DRMAA gives it to its elements",
    "HPCBATCH_POOL": "workers on this host are found by it",
}


def test_every_variable_is_told() -> None:
    named = re.compile(r"\bHPCBATCH_[A-Z_]*[A-Z]\b")
    files = [*(ROOT / "hpcbatch").rglob("*.*"), *(ROOT / "templates").iterdir()]
    texts = [path.read_text() for path in files if path.suffix in (".py", ".sh", ".j2")]
    told = set(named.findall(page("docs/clusters.md").text))
    assert told | INTERNAL.keys() == {name for text in texts for name in named.findall(text)}
    assert not told & INTERNAL.keys()


@pytest.mark.parametrize("each", PAGES)
def test_what_a_page_names_is_there(each: Page) -> None:
    for owner, name in OURS.findall(each.text):
        assert hasattr(HANDLES[owner], name) or name in STATES, f"{each.name}: {owner}.{name}"


STATES = ("id", "site", "py")  # attributes of a handle, and a file


@pytest.mark.parametrize("each", PAGES)
def test_what_a_page_types_can_be_typed(each: Page) -> None:
    for block in each.blocks():
        for line in block.commands:
            check(line, f"{each.name}:{block.line}")
    for told in INLINE.findall(each.prose()):
        if told.startswith("hpcbatch ") and "…" not in told:
            check(told, each.name, whole=False)


def check(line: str, where: str, whole: bool = True) -> None:
    """A command line of ours names a command, and options that it has."""
    words = shlex.split(line, comments=True)
    words = words[
        : next((k for k, w in enumerate(words) if w in ("|", ">", ">>", "&&")), len(words))
    ]
    if words[:1] != ["hpcbatch"]:
        return
    path = max(
        (p for p in COMMANDS if f"{' '.join(words)} ".startswith(f"{p} ")), key=len, default=""
    )
    assert path or words[1:2] == ["--help"] or len(words) == 1, f"{where}: {line}"
    if not path:
        return
    command, rest = COMMANDS[path], words[len(path.split()) :]
    if whole and not isinstance(command, click.Group):
        try:
            command.make_context(path, list(rest), resilient_parsing=False)
        except click.exceptions.Exit:
            pass
        except click.UsageError as error:
            raise AssertionError(f"{where}: {line}: {error.format_message()}") from error
        return
    known = {option for param in command.params for option in param.opts + param.secondary_opts}
    for word in rest:
        if word.startswith("-") and len(word) > 1:
            assert word.partition("=")[0] in known, f"{where}: {line} has no option {word}"


@pytest.mark.parametrize("each", PAGES)
def test_what_a_page_links_to_is_there(each: Page) -> None:
    """MkDocs checks those between its pages; a reader of the checkout follows all of them."""
    for path, anchor in LOCAL_LINK.findall(each.prose()):
        target = (each.path.parent / path).resolve() if path else each.path
        is_made = target.parent == ROOT / "docs" and target.name in (
            "changelog.md",
            "contributing.md",
            "architecture.md",
        )
        assert target.exists() or is_made, f"{each.name}: {path}"
        if anchor and target.suffix == ".md":
            slugs = {slug(heading) for heading in Page(target).headings()}
            assert anchor in slugs, f"{each.name}: {path}#{anchor}"


def slug(heading: str) -> str:
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
