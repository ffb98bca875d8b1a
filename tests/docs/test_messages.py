"""Messages of the code: the pages quote them, and they are right wherever they are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.core import ROOT
from tests.docs.pages import page
from tests.docs.test_names import LEAVES


def test_the_messages_of_troubleshooting_are_those_of_the_code() -> None:
    said = "\n".join(texts())
    before, _, behind = page("docs/troubleshooting.md").text.partition("## Jobs that expired")
    told = re.findall(r"^\| `([^`]+)` ", before + behind.partition("## Results")[2], re.M)
    assert [message for message in told if message not in said] == []


@pytest.mark.parametrize("folder", ["cli", "disk", "registry", "cluster", "use", "sites", "server"])
def test_what_is_told_on_the_command_line_too_is_no_python(folder: str) -> None:
    """Of messages: a call, or an option as Python spells it. Other layers speak to Python alone."""
    wrong = [text for text in messages(folder) if PYTHON.search(text)]
    assert wrong == []


CALLS = "create|submit|status|wait|collect|cancel|resubmit|remove|restore|errors|jobs"
OPTIONS = "|".join(
    sorted(
        {
            name[2:].replace("-", "_")
            for command in LEAVES.values()
            for param in command.params
            for name in param.opts
            if name.startswith("--") and "-" in name[2:]
        }
    )
)
PYTHON = re.compile(rf"\b(({CALLS})\(\)|({OPTIONS})\b|(only|jobs|revoke|chunk|isolate)=)")


def messages(folder: str) -> Iterator[str]:
    """Texts that a call is given, where they have more than a word."""
    for path in (ROOT / "hpcbatch" / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call):
                for part in (each for given in node.args for each in ast.walk(given)):
                    if isinstance(part, ast.Constant) and " " in str(part.value):
                        yield str(part.value)


def texts() -> Iterator[str]:
    """All texts of the source; what is filled in is an ellipsis."""
    for path in (ROOT / "hpcbatch").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    getattr(part, "value", "…") if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
