"""Completion in bash, for which a colon ends a word: FILE.py:FUNCTION and ssh://… are one here."""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, add_completion_class, split_arg_string

SOURCE = r"""
%(complete_func)s() {
    local line="${COMP_LINE:0:COMP_POINT}" type value colons="" each
    local bare="${line//\\?/}" # without what is escaped, or stands in quotes that are closed
    while [[ $bare =~ ^([^\"\']*)(\"[^\"]*\"|\'[^\']*\')(.*)$ ]]; do
        bare="${BASH_REMATCH[1]}${BASH_REMATCH[3]}"
    done
    local quoted=""
    [[ $bare == *[\"\']* ]] && quoted=yes
    # readline replaces what is behind the last colon, but within quotes
    if [[ $COMP_WORDBREAKS == *:* && ! $quoted ]]; then
        colons="${bare##*[[:space:]]}"
        colons="${colons//[^:]/}"
    fi
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        plain)
            if [[ ! $quoted && $value == *[^[:alnum:]_./:@~+,=-]* ]]; then
                printf -v value '%%q' "$value"
                value="${value/#\\~/\~}"
            fi
            for ((each = 0; each < ${#colons}; each++)); do value="${value#*:}"; done
            COMPREPLY+=("$value")
            ;;
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
