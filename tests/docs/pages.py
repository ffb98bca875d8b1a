"""The pages of the documentation, and their blocks of code.

A comment before a block says what becomes of it: ``<!-- file: NAME -->``, a file of that name;
``<!-- run -->``, its commands are typed, and what they answer is compared;
``<!-- printed -->``, the Python of the page prints it; ``<!-- skip: WHY -->``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.core import ROOT

_FENCE = re.compile(r"```(\w*)")
_MARK = re.compile(r"<!-- (file|run|printed|skip)(?:: (.+?))? -->")
_HEADING = re.compile(r"#+ +(.+)")


@dataclass(frozen=True)
class Block:
    """``line`` is that of its first line of code, from 1 up."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""

    @property
    def commands(self) -> list[str]:
        """The command lines of a console or a shell, continued lines joined."""
        joined = re.sub(r"\\\n\s*(> )?", "", self.text)
        if self.language == "console":
            return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
        return joined.splitlines() if self.language == "sh" else []


@dataclass(frozen=True)
class Page:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self) -> Iterator[Block]:
        """All blocks of code, in order."""
        mark, begin, language, lines = ("", ""), 0, "", []
        for number, line in enumerate(self.text.splitlines(), 1):
            if begin and line == "```":
                yield Block(self.name, begin, language, "\n".join(lines), *mark)
                mark, begin, lines = ("", ""), 0, []
            elif begin:
                lines.append(line)
            elif found := _FENCE.match(line):
                begin, language = number + 1, found[1]
            elif found := _MARK.fullmatch(line):
                mark = (found[1], found[2] or "")
            elif line:
                mark = ("", "")

    def prose(self) -> str:
        """What is no block of code."""
        return re.sub(r"^```.*?^```$", "", self.text, flags=re.S | re.M)

    def headings(self) -> list[str]:
        found = (_HEADING.fullmatch(line) for line in self.prose().splitlines())
        return [each[1].replace("\\", "") for each in found if each]


@cache
def pages() -> tuple[Page, ...]:
    """README, CONTRIBUTING, docs, and what the examples say."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    found += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "examples").glob("*/*.md"))
    return tuple(map(Page, found))


def page(name: str) -> Page:
    return next(each for each in pages() if each.name == name)
