"""Looks for the lowest point of a landscape, whose next samples depend on the last results.

Each call takes milliseconds: a place in the queue for each would make no sense. A pool's workers
stay on the cluster meanwhile.

    python search.py --cluster slurm --workers 20
"""

from __future__ import annotations

import argparse
import math
import random

import hpcbatch as hb

ROUNDS, SAMPLES, KEPT = 8, 64, 8
Point = tuple[float, float]


def height(x: float, y: float) -> float:
    """Rastrigin's function: many hollows, and the lowest, 0, at the origin."""
    waves = math.cos(2 * math.pi * x) + math.cos(2 * math.pi * y)
    return 20 + x * x + y * y - 10 * waves


def search(pool: hb.Controller, seed: int) -> tuple[float, Point]:
    """The lowest point that was found, with its height."""
    rng = random.Random(seed)
    points = [(rng.uniform(-5, 5), rng.uniform(-5, 5)) for _ in range(SAMPLES)]
    best: list[tuple[float, Point]] = []
    for number in range(ROUNDS):
        heights = pool.map(height, *zip(*points, strict=True))
        best = sorted([*best, *zip(heights, points, strict=True)])[:KEPT]
        print(f"round {number + 1}: {best[0][0]:.4f} at {best[0][1][0]:+.3f}, {best[0][1][1]:+.3f}")
        spread = 2.0 * 0.5**number
        centres = [point for _, point in best] * (SAMPLES // KEPT)
        points = [(rng.gauss(x, spread), rng.gauss(y, spread)) for x, y in centres]
    return best[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cluster", default="local")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with hb.Controller(cluster=asked.cluster, workers=asked.workers, idle=60) as pool:
        lowest, _ = search(pool, asked.seed)
    print(f"the lowest: {lowest:.4f}")


if __name__ == "__main__":
    main()
