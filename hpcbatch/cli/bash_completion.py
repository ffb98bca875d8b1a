"""Completion in bash, for which a colon ends a word: FILE.py:FUNCTION and ssh://… are one here."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

SOURCE = """\
%(complete_func)s() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        plain) COMPREPLY+=("$value") ;;
        esac
    done < <(env _HPCBATCH_LINE="${COMP_LINE:0:COMP_POINT}" \\
        _HPCBATCH_BREAKS="$COMP_WORDBREAKS" %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_SPECIAL = {"": r"[^\w@%+=:,./~-]", '"': r'["\\$`]', "'": r"(?!)"}  # by the quote around it
_PIECE = re.compile(r"\$(\w+)|\$\{(\w+)\}|.", re.DOTALL)  # a variable, or a character


class LastWord(NamedTuple):
    """What is being written: its ``text`` without quotes; how much of that readline keeps, since it
    replaces what is behind the last colon, or an open quote, alone; and that quote, if any."""

    text: str
    kept: int
    quote: str


class Bash(BashComplete):
    """In place of click's own, once this module is loaded."""

    source_template = SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["_HPCBATCH_LINE"]
        words = split_arg_string(line)
        if not line or line[-1].isspace():
            words.append("")
        return words[1:-1], last_word(line, "").text

    def format_completion(self, item: CompletionItem) -> str:
        word = last_word(os.environ["_HPCBATCH_LINE"], os.environ["_HPCBATCH_BREAKS"])
        option = re.match(r"--?[^=]*=", word.text)
        kept = max(word.kept - (option.end() if option else 0), 0)
        value = re.sub(_SPECIAL[word.quote], r"\\\g<0>", item.value[kept:])
        return f"{item.type},{value if item.type == 'plain' else item.value}"


def last_word(line: str, breaks: str) -> LastWord:
    """As bash reads it: see Quoting and Parameter Expansion in bash(1). ``breaks``:
    COMP_WORDBREAKS."""
    text, kept, quote, is_escaped = "", 0, "", False
    for found in _PIECE.finditer(line):
        piece, variable = found[0], found[1] or found[2]
        if is_escaped:
            text += piece if quote != '"' or piece[0] in '"\\$`' else f"\\{piece}"
            is_escaped = False
        elif piece == "\\" and quote != "'":
            is_escaped = True
        elif variable and quote != "'":
            text += os.environ.get(variable, piece)
        elif quote:
            quote, text = ("", text) if piece == quote else (quote, text + piece)
        elif piece in "'\"":
            quote, kept = piece, max(kept, len(text))
        elif piece.isspace():
            text, kept = "", 0
        else:
            text += piece
            if piece == ":" and piece in breaks:
                kept = len(text)
    return LastWord(text, kept, quote)


add_completion_class(Bash)
