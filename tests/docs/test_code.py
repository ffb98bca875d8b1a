"""The code of the pages runs, as a reader would run it: page by page, from the top to the bottom.

Every cluster is this machine. What a page shows as the answer of a command is compared; an ellipsis
stands for anything.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hpcbatch.cluster.config import load_clusters
from hpcbatch.registry.registry import Registry
from tests.core import run_python
from tests.docs.pages import Block, Page, pages

QUICK = {"scheduler": "local", "poll_seconds": [0.2, 0.4], "grace": 0.2, "elements": 1}
ELSEWHERE = ("docs/writing-a-launcher.md",)  # tests/pool/test_guide.py runs it
ID = re.compile(r"\b[0-9a-f]{8}(?=__)")
FENCED = [(page, list(page.blocks())) for page in pages() if page.name not in ELSEWHERE]
PYTHON = [
    pytest.param(page, blocks, id=page.name)
    for page, blocks in FENCED
    if not page.name.startswith("examples/")  # tests/examples runs them
    and any(b.language == "python" and not b.mark for b in blocks)
]
TYPED = [
    pytest.param(blocks, id=page.name)
    for page, blocks in FENCED
    if any(b.mark == "run" for b in blocks)
]
PROFILES = [
    pytest.param(block, id=f"{page.name}:{block.line}")
    for page, blocks in FENCED
    for block in blocks
    if block.language == "yaml" and "clusters:" in block.text
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where slurm and sge are this machine as well."""
    config = {"default": "local", "clusters": dict.fromkeys(("local", "slurm", "sge"), QUICK)}
    (tmp_path / "clusters.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("HPCBATCH_CONFIG", str(tmp_path / "clusters.yaml"))
    monkeypatch.setenv("HPCBATCH_LOCAL_SLOTS", "2")
    monkeypatch.setenv("HOME", str(tmp_path))
    desk = tmp_path / "desk"
    desk.mkdir()
    return desk


@pytest.mark.slow
@pytest.mark.parametrize(("page", "blocks"), PYTHON)
def test_the_python_of_a_page_runs(page: Page, blocks: list[Block], desk: Path) -> None:
    write_files(blocks, desk)
    program = desk / Path(page.name).with_suffix(".py").name.replace("-", "_")
    program.write_text(program_of(blocks))
    ended = run_python([str(program)], cwd=desk)
    assert ended.returncode == 0, f"{page.name}, whose lines these are:\n{ended.stderr}"
    for block in blocks:
        if block.mark == "printed":
            assert fits(f"…{block.text}…", ended.stdout), (
                f"{page.name}:{block.line}\n{ended.stdout}"
            )


@pytest.mark.slow
@pytest.mark.parametrize("blocks", TYPED)
def test_the_commands_of_a_page_answer_as_it_says(
    blocks: list[Block], desk: Path, own_registry: Path
) -> None:
    for block in blocks:
        if block.mark == "file":
            write_files([block], desk)
        if block.mark != "run":
            continue
        for command, expected in exchanges(block):
            answer = typed(command, desk)
            assert fits(expected, answer), f"{block.page}:{block.line}: {command}\n{answer}"
    for spec in Registry(str(own_registry)).specs():
        assert spec.njobs, "nothing is left half made"


@pytest.mark.parametrize("block", PROFILES)
def test_the_profiles_can_be_read(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hpcbatch.yaml"
    path.write_text(block.text)
    monkeypatch.setenv("HPCBATCH_CONFIG", str(path))
    assert load_clusters().keys() >= yaml.safe_load(block.text)["clusters"].keys()


def test_what_is_skipped_says_why() -> None:
    skipped = [block for _, blocks in FENCED for block in blocks if block.mark == "skip"]
    assert all(len(block.value.split()) > 2 for block in skipped)
    assert len(skipped) <= 10


def write_files(blocks: list[Block], folder: Path) -> None:
    for block in blocks:
        if block.mark == "file":
            (folder / block.value).write_text(block.text + "\n")


def program_of(blocks: list[Block]) -> str:
    """One program of a page's blocks, in which each line has the number that it has on the page."""
    lines: list[str] = []
    for block in blocks:
        if block.language == "python" and not block.mark:
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    return "\n".join(lines) + "\n"


def exchanges(block: Block) -> list[tuple[str, str]]:
    """Commands, and what is shown behind each."""
    parts = re.split(r"^\$ ", block.text, flags=re.M)[1:]
    return [(command, answer) for command, _, answer in (part.partition("\n") for part in parts)]


def typed(command: str, folder: Path) -> str:
    """What a person would see; some jobs may fail."""
    told = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.returncode in (0, 1), f"{command}\n{told.stdout}"
    return told.stdout


def fits(expected: str, answer: str) -> bool:
    parts = [re.escape(part) for part in ID.sub("ID", expected.strip()).split("…")]
    return re.fullmatch(".*".join(parts), ID.sub("ID", answer.strip()), re.S) is not None


def test_the_interpreter_of_a_page_is_this_one() -> None:
    told = subprocess.run(["bash", "-c", "command -v hpcbatch"], capture_output=True, text=True)
    assert Path(told.stdout.strip()).parent == Path(sys.executable).parent
