"""Completion in bash, for which a colon ends a word: FILE.py:FUNCTION and ssh://… are one here."""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, add_completion_class, split_arg_string

SOURCE = """\
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" type value before=""
    local word="${line##*[[:space:]]}"
    # what readline replaces begins behind the last of its breaks
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && before="${word%%:*}:"
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        plain) COMPREPLY+=("${value#"$before"}") ;;
        esac
    done < <(env _HPCBATCH_LINE="$line" %(complete_var)s=bash_complete "$1")
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """In place of click's own, once this module is loaded."""

    source_template = SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["_HPCBATCH_LINE"]
        words = split_arg_string(line)
        if not line or line[-1].isspace():
            words.append("")
        return words[1:-1], words[-1]


add_completion_class(Bash)
