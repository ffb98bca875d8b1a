"""The one door: real programs that misbehave."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from hpcbatch.cluster import shell
from hpcbatch.words.errors import CommandFailed, CommandTimeout, ProgramMissing

from .conftest import eventually, write_program


def python(body: str) -> list[str]:
    return [sys.executable, "-c", body]


def test_answer() -> None:
    body = "import sys; print(sys.stdin.read()[::-1]); print('oh', file=sys.stderr); sys.exit(7)"
    output = shell.run(python(body), "abc")
    assert (output.stdout, output.stderr, output.status) == ("cba\n", "oh\n", 7)
    assert "ended with status 7: oh" in str(output)


def test_missing_program() -> None:
    with pytest.raises(ProgramMissing, match="no-such-program"):
        shell.run(["no-such-program"])


def test_a_program_that_cannot_be_started_now_is_not_missing() -> None:
    with pytest.raises(CommandFailed, match="true cannot be started now"):
        shell.run(["true", "x" * (1 << 17)])  # more than one argument may have


def test_program_without_permission(tmp_path: Path) -> None:
    (tmp_path / "squeue").write_text("#!/bin/sh\n")
    with pytest.raises(ProgramMissing, match="squeue"):
        shell.run([str(tmp_path / "squeue")])


def test_program_without_interpreter(tmp_path: Path) -> None:
    (tmp_path / "squeue").write_text("\0\1 what is this")
    (tmp_path / "squeue").chmod(0o755)
    with pytest.raises(ProgramMissing, match="squeue"):
        shell.run([str(tmp_path / "squeue")])


def test_timeout_kills_the_program_and_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = tmp_path / "squeue"  # as many sites have it: a script around the real one
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! >{pids}\nwait\n")
    script.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(CommandTimeout, match="did not answer within 1 s"):
        shell.run([str(script)], timeout=1.0)
    assert time.monotonic() - began < 10
    for pid in pids.read_text().split():
        eventually(lambda pid=pid: not _lives(int(pid)), f"process {pid} to end")


def test_timeout_while_the_script_is_still_being_read() -> None:
    with pytest.raises(CommandTimeout):
        shell.run(python("import time; time.sleep(600)"), "x" * 1_000_000, timeout=0.5)


def test_interrupt_kills_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(process: object, *_: object) -> None:
        pids.append(process.pid)  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    pids: list[int] = []
    monkeypatch.setattr(shell.subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shell.run(["sleep", "600"])
    assert not _lives(pids[0])


def test_script_that_nobody_reads() -> None:
    output = shell.run(python("print('refused')"), "x" * 5_000_000)
    assert output.stdout == "refused\n"
    closes = "import os; os.close(0); print('closed', flush=True)"
    assert shell.run(python(closes), "x" * 5_000_000).stdout == "closed\n"


def test_huge_output_on_both_streams() -> None:
    body = "import sys; [s.write('y' * 3_000_000) for s in (sys.stdout, sys.stderr)]"
    output = shell.run(python(body), "x" * 1_000_000)
    assert (len(output.stdout), len(output.stderr)) == (3_000_000, 3_000_000)
    assert len(str(output)) < 3000


def test_output_that_is_no_utf8() -> None:
    output = shell.run(python(r"import sys; sys.stdout.buffer.write(b'caf\xe9|\xff\n')"))
    assert output.stdout == "caf\ufffd|\ufffd\n"


@pytest.mark.parametrize("text", ["ünï 漢字 🎉", "caf\udce9", "a\r\nb\r"])
def test_input_arrives_as_on_disk(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    body = "import sys; print(sys.stdin.buffer.read().hex())"
    expected = text.encode("utf-8", "surrogateescape").hex()
    assert shell.run(python(body), text).stdout.strip() == expected


def test_program_runs_in_the_root_folder_and_a_session_of_its_own() -> None:
    output = shell.run(python("import os; print(os.getcwd(), os.getsid(0) == os.getpid())"))
    assert output.stdout == "/ True\n"


DROPPED = {
    "SBATCH_PARTITION": "evil",
    "SBATCH_TIMELIMIT": "1",
    "SLURM_JOB_ID": "7",
    "SLURM_ARRAY_TASK_ID": "7",
    "SQUEUE_FORMAT": "%i",
    "PBS_JOBID": "7",
    "PBS_DEFAULT": "x",
    "SGE_O_HOST": "n1",
    "SGE_TASK_ID": "7",
    "JOB_ID": "7",
    "LSB_JOBID": "7",
    "BSUB_QUIET": "1",
    "MY_SECRET": "s",
    "PYTHONSTARTUP": "/x",
    "USER_API_TOKEN": "s",
    "HOMEBREW_TOKEN": "s",
    "PATH_TO_KEY": "s",
}
KEPT = {
    "HOME": "/home/someone",
    "MODULEPATH": "/modules",
    "LMOD_DIR": "/lmod",
    "BASH_FUNC_module%%": "() { eval `modulecmd bash $*`; }",
    "KRB5CCNAME": "/tmp/krb",
    "TZ": "UTC",
}


def test_environment_is_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**DROPPED, **KEPT, "SLURM_CONF": "/c", "SGE_ROOT": "/s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    body = "import json, os; print(json.dumps(dict(os.environ)))"

    def seen(*variables: str) -> dict[str, str]:
        import json

        return dict(json.loads(shell.run(python(body), variables=variables).stdout))

    plain = seen()
    assert not plain.keys() & {*DROPPED, "SLURM_CONF", "SGE_ROOT"}
    assert {name: plain.get(name) for name in KEPT} == KEPT
    assert plain["PATH"] == os.environ["PATH"]
    assert plain["LC_ALL"] == "C"
    assert seen("SLURM_CONF")["SLURM_CONF"] == "/c"
    assert seen("SLURM_*")["SLURM_CONF"] == "/c"
    assert "SLURM_CONF" not in seen("SLURM_")
    assert seen("SGE_ROOT", "SGE_CELL")["SGE_ROOT"] == "/s"


def test_settings_overrule_what_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSB_NTRIES", "99")
    body = python("import os; print(os.environ['LSB_NTRIES'], os.environ['LC_ALL'])")
    output = shell.run(body, variables=("LSB_*",), settings={"LSB_NTRIES": "1"})
    assert output.stdout == "1 C\n"
    assert os.environ["LSB_NTRIES"] == "99"


def test_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "qsub", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shell.is_here("qsub")
    assert not shell.is_here("qstat")


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
