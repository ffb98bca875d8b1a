"""How fast jobs are resolved, from samples that stay few however long a task runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..words.model import ALIVE

Sample = tuple[float, int]  # seconds since the epoch at the client that folded, jobs resolved

KEPT = 32  # samples
SHORTEST = 1.0  # seconds that say anything about a pace
RECENT = 60.0, 3600.0  # seconds that count as recent: at least, at most
SHARE = 0.25  # of the run that counts as recent, between these


def noted(samples: Sequence[Sample], now: float, resolved: int) -> list[Sample]:
    """``samples`` and one more. Those that contradict it are dropped: they are from a client
    whose clock is ahead, or from before errors were set aside."""
    kept = [sample for sample in samples if sample[0] < now and sample[1] <= resolved]
    return _thinned([*kept, (now, resolved)])


def jobs_per_second(samples: Sequence[Sample], now: float) -> float | None:
    """The recent pace; None when it is not known. It reaches back to the last progress, so
    jobs that end in waves have one too, and it falls while nothing ends."""
    if not samples:
        return None
    first, resolved = samples[0], samples[-1][1]
    at_least, at_most = RECENT
    begin = now - min(max(at_least, SHARE * (now - first[0])), at_most)
    earlier = [sample for sample in samples if sample[1] < resolved]
    base = next((sample for sample in reversed(earlier) if sample[0] <= begin), None)
    base = base or next(iter(earlier), None)
    if base is None or now - base[0] < SHORTEST:
        return None
    return (resolved - base[1]) / (now - base[0])


def pace(
    samples: Sequence[Sample], now: float, counts: Mapping[str, int]
) -> tuple[float | None, float | None]:
    """Jobs per second, and seconds until nothing is alive; None while nothing runs."""
    rate = jobs_per_second(samples, now) if counts["running"] else None
    if rate is None:
        return None, None
    return rate, sum(counts[state] for state in ALIVE) / rate


def _thinned(samples: list[Sample]) -> list[Sample]:
    """At most ``KEPT``: the older, the farther apart. The first and the last always stay."""
    now = samples[-1][0]
    while len(samples) > KEPT:
        densest = min(
            range(1, len(samples) - 1),
            key=lambda k: (samples[k + 1][0] - samples[k - 1][0]) / (now - samples[k - 1][0]),
        )
        del samples[densest]
    return samples
