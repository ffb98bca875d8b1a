"""Where in a command line a quoted value is one word, and where the shell would run it."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hpcbatch.runner.program import _Quoting
from hpcbatch.use.command_templates import placeholders

PARTS = (
    "'", '"', "`", "$", "[[ ", " ]]", "let ",
    "$(", ")", "((", "))", "$((", "$[", "]", "${{v:-", "}}", "#", " ", "\n",
    "echo ", "\\", "a", "<<E\n", "\nE\n", ";", "case a in a) ", ";; esac", "(", "v=", "<<<", "&",
    "{x}", "{x}",
)  # fmt: skip
HOSTILE = (
    "$(touch pwned)", "';touch pwned;'", '";touch pwned;"', "`touch pwned`", "a\ntouch pwned\n",
    "a[$(touch pwned)]", "));touch pwned;((", "};touch pwned;", "x\nE\ntouch pwned\n",
    "\\';touch pwned;'", "a) touch pwned;;",
)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("echo '{x}'", "without ' around it"),
        ('echo "{x}"', 'without " around it'),
        ('echo "$(echo "{x}")"', 'without " around it'),
        ("echo \\{x}", r"without \\ before it"),
        ("[[ {x} -gt 3 ]] && echo", r"within \[\[ \]\]"),
        ("let y={x}", "not known|evaluate"),
        ("echo $'\\' {x}", "comes after let"),
        ("echo ${x}", r"write \{x\} without \$ before it"),
        ("rm -rf $${x}", r"without \$ before it"),
        ("echo `echo {x}`", r"write \$\( \) in place of the backquotes"),
        ("echo $(( {x} + 1 ))", r"use expr \{x\} \+ 1"),
        ("echo $(( (1 + {x}) * 2 ))", "stands in arithmetic"),
        ("(( {x} > 1 )) && echo", "some shells evaluate"),
        ("echo $[ {x} ]", "some shells evaluate"),
        ("echo ${{v:-{x}}}", r"within \$\{ \}"),
        ("true # {x}", "in a comment"),
        ("cat <<E\n{x}\nE", "comes after <<"),
        ('echo "$(case a in a) echo "{x}";; esac)"', "some shells evaluate"),
    ],
)
def test_places_where_quotes_keep_nothing_from_the_shell(command: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        placeholders(command)


@pytest.mark.parametrize(
    "command",
    [
        "echo {x}", "[[ -d out ]] || mkdir out; ./sim {x}", "expr {x} + 1",
        "echo $(cat {x}) > {x}.txt", 'echo "$(date)" {x}',
        'echo "$(cat {x})"', "(cd {x} && ls); echo a#b {x}", "echo $# {x}", "echo \\${x} $1{x}",
        "# first\necho {x}",
        "echo $((1 << 2)) {x}", "cat <<<{x}", "case {x} in a) echo;; esac; echo {x}",
        "echo \"it's\" {x}", "echo it\\'s {x}", "awk '{{ print $1 }}' {x}", "echo ${{v#a}} {x}",
        "echo \"${{v:-it's}}\" {x}",
    ],
)  # fmt: skip
def test_places_that_are_words(command: str) -> None:
    assert placeholders(command) == {"x"}


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_no_command_that_is_taken_runs_a_value(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")

    def run(*argv: str) -> int:
        return subprocess.run(
            argv, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
            check=False,
        ).returncode  # fmt: skip

    chance = random.Random(shell)
    taken = 0
    while taken < 25:
        command = "".join(chance.choice(PARTS) for _ in range(chance.randint(3, 14))) + "{x}"
        try:
            placeholders(command)
        except ValueError:
            continue
        if run(shell, "-n", "-c", _Quoting().vformat(command, (), {"x": "x"})):
            continue  # what bash does with its rest is nobody's to say
        taken += 1
        for value in HOSTILE:
            run(shell, "-c", _Quoting().vformat(command, (), {"x": value}))
            assert not (tmp_path / "pwned").exists(), (command, value)
