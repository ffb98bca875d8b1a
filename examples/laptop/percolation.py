"""From which share of open cells does water find its way through a square of them?

    python percolation.py submit ssh://me@login --cluster slurm    # then close the laptop
    python percolation.py status ssh://me@login
    python percolation.py resume ssh://me@login                    # what was cancelled or lost
    python percolation.py report ssh://me@login

The jobs run on the cluster behind a login node; this script runs on the laptop. Each job tries many
random squares of one share.
"""

from __future__ import annotations

import argparse
import random

import hpcbatch as hb

SHARES = [0.50, 0.52, 0.54, 0.56, 0.58, 0.60, 0.62, 0.64, 0.66, 0.68]


def crossed(share: float, size: int, squares: int) -> float:
    """The part of the squares that are open from top to bottom. Runs on a compute node."""
    rng = random.Random(share)
    return sum(is_crossed(rng, share, size) for _ in range(squares)) / squares


def is_crossed(rng: random.Random, share: float, size: int) -> bool:
    """Of a square whose cells are open by chance: water comes in along the whole top."""
    dry = {(x, y) for x in range(size) for y in range(size) if rng.random() < share}
    wet = [(x, 0) for x in range(size) if (x, 0) in dry]
    dry -= set(wet)
    while wet:
        x, y = wet.pop()
        if y == size - 1:
            return True
        for cell in ((x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)):
            if cell in dry:
                dry.remove(cell)
                wet.append(cell)
    return False


def submit(site: hb.Site, cluster: str | None, size: int, squares: int) -> None:
    """Store the task there and submit it; nothing is waited for."""
    const = {"size": size, "squares": squares}
    task = hb.create(crossed, share=SHARES, const=const, name="percolation", site=site)
    task.submit(cluster, resources={"walltime": "10m", "memory": "200MB"}, chunk=1)
    print(task.id)


def resume(task: hb.Task) -> None:
    """Submit again only the jobs that ended without a result; others may still run."""
    attempt = task.resubmit(only=("error", "expired", "canceled"))
    if attempt is None:
        print("No job has ended without a result: nothing to submit.")
    else:
        print(f"Attempt {attempt.number} has the {len(attempt.plan.jobs)} unfinished jobs.")


def report(task: hb.Task) -> None:
    """Wait for what still runs, then tell the results, which come here in the order of inputs."""
    task.wait()
    for share, part in zip(SHARES, task.collect(), strict=True):
        print(f"{share:.2f}  {part:.2f}  {'#' * round(40 * part)}".rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=("submit", "status", "resume", "report"))
    parser.add_argument("address", help="such as ssh://me@login")
    parser.add_argument("--cluster", help="there: slurm, sge, local")
    parser.add_argument("--size", type=int, default=300, help="cells along a side")
    parser.add_argument("--squares", type=int, default=200, help="random squares of a share")
    parser.add_argument("--task", default="last", help="its id, or the beginning of it")
    asked = parser.parse_args()
    site = hb.connect(asked.address)
    if asked.step == "submit":
        submit(site, asked.cluster, asked.size, asked.squares)
        return
    task = hb.restore(asked.task, site=site)
    if asked.step == "resume":
        resume(task)
    elif asked.step == "report":
        report(task)
    else:
        print(task)


if __name__ == "__main__":
    main()
