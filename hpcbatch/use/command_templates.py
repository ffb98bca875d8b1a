"""Command lines with placeholders, which get values that are quoted for the shell: where in a
command that quoting holds (Shell Command Language, POSIX.1-2017, 2.2 to 2.6)."""

from __future__ import annotations

import re
import string

_COMMAND = "command"  # where words stand, and quoting holds
_ARITHMETIC = "arithmetic"
_COMMENT = "comment"
_QUOTED_BRACE = '"${'  # where ' is a character as any other
_HERE_DOCUMENT = "<<"
_TEST = "[["
_UNCLEAR = "unclear"  # where it ends differs between shells, or takes all of their grammar
_ADVICE = {
    "$": "write %s without $ before it: it stands for the value itself",
    "\\": "write %s without \\ before it, values are quoted",
    "'": "write %s without ' around it, values are quoted",
    '"': 'write %s without " around it, values are quoted',
    "`": "write $( ) in place of the backquotes around %s",
    _ARITHMETIC: "%s stands in arithmetic, which evaluates it: use expr %s + 1, or a program",
    _TEST: "%s stands within [[ ]], which evaluates it: use [ ], as in [ %s -gt 3 ]",
    "${": "%s stands within ${ }: set a variable before, as in v=%s",
    _QUOTED_BRACE: "%s stands within ${ }: set a variable before, as in v=%s",
    _COMMENT: "%s stands behind a #, in a comment",
    _HERE_DOCUMENT: (
        "%s comes after <<: set a variable before, as in v=%s, or give it to the program as an "
        "argument"
    ),
    _UNCLEAR: (
        "%s comes after let, (( )), $[ ], $' ', quotes in arithmetic, or a case within ( ): some "
        "shells evaluate what stands there, or end it elsewhere. Use expr, or a program"
    ),
}
# of bash, which is sh on many machines, and runs $(date) in a value such as a[$(date)] that it
# evaluates as a number
_LET = re.compile(r"let\s")
_CASE = re.compile(r"case\s")
# what begins within what, the longest first; bash knows (( )) and $[ ] as arithmetic
_EXPANSIONS = ("$((", "$(", "${", "$[", "`")
_BEGIN = {
    _COMMAND: ("<<<", "<<", "((", "$'", *_EXPANSIONS, "'", '"', "("),
    _ARITHMETIC: (*_EXPANSIONS, "(", "'", '"'),
    '"': _EXPANSIONS,
    "${": (*_EXPANSIONS, "'", '"'),
    _QUOTED_BRACE: (*_EXPANSIONS, '"'),
}
_BEGIN[_TEST] = _BEGIN[_COMMAND]


def placeholders(template: str) -> set[str]:
    """The names used in ``template``. Raises ValueError on unbalanced braces, and for a placeholder
    where quotes keep nothing from the shell, or end those around them."""
    found = set()
    place = _Place()
    for text, name, _, _ in string.Formatter().parse(template):
        place.pass_over(text)
        if name is not None:
            if advice := _ADVICE.get(place.kind):
                raise ValueError(advice.replace("%s", f"{{{name}}}"))
            place.pass_over("x")
            found.add(name.partition(".")[0].partition("[")[0])
    return found


class _Place:
    """What a part of a command stands in."""

    def __init__(self) -> None:
        self._within: list[tuple[str, str]] = []  # and what ends it
        self._beyond = ""  # what is not followed to its end
        self._is_escaped = self._has_dollar = False
        self._begins_word = True

    @property
    def kind(self) -> str:
        before = "\\" if self._is_escaped else "$" if self._has_dollar else ""
        return self._beyond or before or self._inmost[0]

    @property
    def _inmost(self) -> tuple[str, str]:
        return self._within[-1] if self._within else (_COMMAND, "")

    def pass_over(self, text: str) -> None:
        at = 0
        while at < len(text):
            at += self._step(text, at)

    def _step(self, text: str, at: int) -> int:
        """How many characters are taken."""
        kind, end = self._inmost
        self._has_dollar = text[at] == "$" and not self._is_escaped and kind != _COMMENT
        begins_word, self._begins_word = self._begins_word, text[at] in " \t\n;&|()"
        if self._is_escaped:
            self._is_escaped = False
            return 1
        if text[at] == "\\" and kind not in ("'", _COMMENT):
            self._is_escaped = True
            return 1
        if end and text.startswith(end, at):
            self._within.pop()
            return len(end)
        if begins_word and kind == _COMMAND:
            if text[at] == "#":
                self._within.append((_COMMENT, "\n"))
                return 1
            if text.startswith("[[", at):
                self._within.append((_TEST, "]]"))
                return 2
            if _LET.match(text, at) or (self._within and _CASE.match(text, at)):
                self._beyond = self._beyond or _UNCLEAR
        begun = next((each for each in _BEGIN.get(kind, ()) if text.startswith(each, at)), "")
        self._begin(begun, kind)
        return len(begun) or 1

    def _begin(self, begun: str, kind: str) -> None:
        if begun == "<<":
            self._beyond = self._beyond or _HERE_DOCUMENT
        elif begun in ("((", "$[", "$'") or (begun in ("'", '"') and kind == _ARITHMETIC):
            self._beyond = self._beyond or _UNCLEAR
        elif begun == "$((":
            self._within += [(_ARITHMETIC, ")")] * 2
        elif begun == "(":
            self._within.append((kind, ")"))
        elif begun == "$(":
            self._within.append((_COMMAND, ")"))
            self._begins_word = True
        elif begun == "${":
            self._within.append((_QUOTED_BRACE if kind in ('"', _QUOTED_BRACE) else "${", "}"))
        elif begun in ("'", '"', "`"):
            self._within.append((begun, begun))
