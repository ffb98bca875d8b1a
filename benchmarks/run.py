"""All that is measured, each row beside its goal, on this machine in one run.

usage: python benchmarks/run.py [--write] [ROW ...]

``--write`` keeps the table in RESULTS.md and the picture in docs/images/benchmarks.svg.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import collecting
import node
import pools
import preparing
import scaling
import serving
import slurm
import ssh
import starting
import status
import tasks
from common import HERE, PEERS_PYTHON, REAL_PATH, Benchmark, Row, output, without_peers

BENCHMARKS: dict[str, Benchmark] = {
    "prepare": preparing.prepare,
    "prepare-memory": preparing.memory,
    "element": node.element,
    "chunk": node.chunk,
    "alive": status.alive,
    "ended": status.ended,
    "status": status.against_peer,
    "status-memory": status.memory,
    "death": status.death,
    "polling": status.polling,
    "commands": status.commands,
    "collect": collecting.collect,
    "rest": tasks.rest,
    "resubmit": tasks.resubmit,
    "start": starting.start,
    "ssh": ssh.ssh,
    "slurm": slurm.slurm,
    "server": serving.serving,
    "pools": pools.pools,
    "scaling": scaling.scaling,
    "metadata": scaling.metadata,
}
HEADINGS = ("", "hpcbatch", "beside it", "ratio", "goal", "met")
MARKS = {True: "yes", False: "NO", None: ""}


def main(arguments: Sequence[str]) -> None:
    write = "--write" in arguments
    chosen = [name for name in arguments if name != "--write"] or list(BENCHMARKS)
    if unknown := sorted(set(chosen) - set(BENCHMARKS)):
        raise SystemExit(f"no such row: {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
    if reason := without_peers():
        raise SystemExit(reason)
    rows = []
    for row in measured(chosen):
        print(f"{row.what:<66} {row.ours:<16} {row.other:<34} {row.ratio:<8} {row.goal:<14} "
              f"{MARKS[row.met]}", flush=True)  # fmt: skip
        rows.append(row)
    missed = [row.what for row in rows if row.met is False]
    print(f"\n{len(rows)} rows, {len(missed)} below their goal")
    if write:
        (HERE / "RESULTS.md").write_text(table(rows))
        draw(rows, HERE.parent / "docs/images/benchmarks.svg")


def measured(chosen: Sequence[str]) -> Iterator[Row]:
    """Each benchmark in a registry of its own."""
    work = Path(tempfile.mkdtemp(prefix="hpcbatch-bench-"))
    try:
        for name in chosen:
            os.environ["PATH"] = REAL_PATH
            os.environ["HPCBATCH_ROOT"] = str(work / "registry" / name)
            os.environ["HPCBATCH_LOCAL_SPOOL"] = str(work)
            folder = work / name
            folder.mkdir()
            yield from BENCHMARKS[name](folder)
    finally:
        shutil.rmtree(work)


def table(rows: Sequence[Row]) -> str:
    """As Markdown, with what it was measured on."""
    lines = ["# What was measured", "", f"{time.strftime('%Y-%m-%d')}, {host()}.", ""]
    lines += ["Made by `make bench`. Times are medians; sides took turns in one run.", ""]
    lines += [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for row in rows:
        cells = (row.what, row.ours, row.other, row.ratio, row.goal, MARKS[row.met])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def host() -> str:
    peers = output([PEERS_PYTHON, "-m", "pip", "list", "--disable-pip-version-check"]).split("\n")
    wanted = ("submitit", "clusterfutures", "Jug", "distributed", "parsl", "executorlib", "pyzmq")
    others = ", ".join(" ".join(line.split()) for line in peers if line.split()[:1] and
                       line.split()[0] in wanted)  # fmt: skip
    with open("/proc/cpuinfo") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return (
        f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"hpcbatch {version('hpcbatch')}, {others}"
    )


def draw(rows: Sequence[Row], path: Path) -> None:
    """How many times less time or CPU than peers, on a scale of tens."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = [row for row in rows if row.times is not None][::-1]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(shown) + 1.2))
    names = [f"{row.what} ({row.other.split()[0].rstrip(',')})" for row in shown]
    times = [row.times or 1 for row in shown]
    bars = axes.barh(names, times, color="#0072b2")
    axes.bar_label(bars, [f"{value:.3g}x" for value in times], padding=3)
    axes.set_xscale("log")
    axes.axvline(1, color="#707070", linewidth=0.8)
    axes.set_xlabel("times less than the peer")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, bbox_inches="tight")


if __name__ == "__main__":
    main(sys.argv[1:])
