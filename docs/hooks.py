"""Puts into the pages what the code tells of itself, so that it is written once.

A heading names a command, a public name, an error or a file; its section gets the help, the
signature and docstring, the docstring, or what is in it. Pages of the checkout's top are taken in,
their links to docs/ mended.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import hpcbatch
from hpcbatch.cli.exit_status import status_of
from hpcbatch.cli.main import main
from hpcbatch.words import errors

TOP = Path(__file__).resolve().parents[1]
EXAMPLE = TOP / "tests" / "third_party"
TAKEN_IN = ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")  # a link that a site cannot follow
_HEADING = re.compile(r"#{2,4} +(.+)")
_WIDE = 80  # characters of a signature on one line


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name in TAKEN_IN:
        content = (TOP / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name.lower(), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    fill = FILLED.get(page.file.src_uri)
    told = markdown if fill is None else filled(markdown, fill)
    return OUTSIDE.sub(r"\1 (in the sources)", told)


def filled(markdown: str, fill: Callable[[str], tuple[str, str]]) -> str:
    """``fill`` tells, of a heading, what comes right behind it and what ends its section."""
    lines: list[str] = []
    ending, in_code = "", False
    for line in markdown.splitlines():
        in_code ^= line.startswith("```")
        found = None if in_code else _HEADING.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        beginning, following = fill(found[1])
        lines += [ending, line, "", beginning]
        ending = following
    return "\n".join([*lines, ending])


def of_command(heading: str) -> tuple[str, str]:
    """The first sentences of a command's help, and all of it, folded."""
    words = heading.split()
    if words[:1] != ["hpcbatch"]:
        return "", ""
    command: click.Command = main
    context = click.Context(main, info_name="hpcbatch")
    for word in words[1:]:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, f"there is no command {heading}"
        command, context = found, click.Context(found, info_name=word, parent=context)
    summary = (command.help or "").partition("\n\n")[0]
    help_text = "\n".join(f"    {line}" for line in command.get_help(context).splitlines())
    return summary, f'\n??? info "{heading} --help"\n\n    ```text\n{help_text}\n    ```\n'


def of_name(heading: str) -> tuple[str, str]:
    """How a public name is called, and what its docstring says."""
    found: Any = hpcbatch
    if not heading.isascii() or not hasattr(hpcbatch, heading.partition(".")[0]):
        return "", ""
    for word in heading.split("."):
        found = getattr(found, word)
    if isinstance(found, str):
        return "", ""
    told = "" if inspect.isclass(found) or isinstance(found, property) else called(heading, found)
    return f"{told}{inspect.getdoc(found) or ''}\n", ""


def called(name: str, function: Callable[..., Any]) -> str:
    """Its signature as a block of code, a line a parameter where it is long."""
    signature = inspect.signature(function)
    each = [str(one) for word, one in signature.parameters.items() if word != "self"]
    kinds = [one.kind for word, one in signature.parameters.items() if word != "self"]
    if inspect.Parameter.VAR_POSITIONAL not in kinds and inspect.Parameter.KEYWORD_ONLY in kinds:
        each.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    if inspect.Parameter.POSITIONAL_ONLY in kinds:
        each.insert(kinds.index(inspect.Parameter.POSITIONAL_ONLY) + 1, "/")
    returned = signature.return_annotation
    end = "" if returned is inspect.Signature.empty else f" -> {returned}"
    line = f"{name}({', '.join(each)}){end}"
    if len(line) > _WIDE:
        inside = "".join(f"    {one},\n" for one in each)
        line = f"{name}(\n{inside}){end}"
    return f"```python\n{line}\n```\n\n"


def of_error(heading: str) -> tuple[str, str]:
    """What an error means, and the exit status of a command that it ends."""
    found = getattr(errors, heading, None)
    if not inspect.isclass(found):
        return "", ""
    told = inspect.getdoc(found) or ""
    if issubclass(found, Exception) and not issubclass(found, Warning):
        told += f"\n\nExit status of a command that it ends: {status_of(found)}."
    return f"{told}\n", ""


def of_file(heading: str) -> tuple[str, str]:
    """What a file of the example has in it."""
    if not heading.startswith("`"):
        return "", ""
    path = EXAMPLE / heading.strip("`")
    language = {".py": "python", ".j2": "jinja"}.get(path.suffix, path.suffix[1:])
    return "", f"```{language}\n{path.read_text(encoding='utf-8')}```\n"


FILLED = {
    "adding-a-scheduler.md": of_file,
    "api.md": of_name,
    "cli.md": of_command,
    "errors.md": of_error,
}
