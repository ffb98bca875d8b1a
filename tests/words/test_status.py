"""What a status says in words, and the colours of its states."""

from __future__ import annotations

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.words.model import STATES
from hpcbatch.words.status import COLOURS, FROM_THE_LEFT, TaskStatus
from hpcbatch.words.text import roughly, speed


def status(counts: dict[str, int], **more: object) -> TaskStatus:
    whole = {state: counts.get(state, 0) for state in STATES}
    fields = {"id": "3f9a12c4__x", "name": "x", "njobs": sum(whole.values()), "started": 0}
    return TaskStatus(counts=whole, **{**fields, **more})  # type: ignore[arg-type]


some_counts = st.dictionaries(st.sampled_from(STATES), st.integers(1, 10**6), min_size=1)


def test_it_tells_states_reasons_attempts_pace_and_notes() -> None:
    text = str(
        status(
            {"running": 4, "done": 984, "expired": 12},
            clusters=("slurm", "gpu"),
            notes=("the disk\x1b[5m is slow",),
            attempts=2,
            reasons={"out-of-memory": 2, "timeout": 10},
            rate=12.34,
            seconds_left=250.0,
            started=996,
        )
    )
    assert text.splitlines() == [
        "3f9a12c4__x  x  (slurm, gpu)",
        "  running           4    0.4 %",
        "  done            984   98.4 %",
        "  expired          12    1.2 %  timeout 10, out-of-memory 2",
        "  total          1000     started      996",
        "  attempts          2",
        "  12.3 jobs/s, about 4 min left",
        "  note: the disk [5m is slow",
    ]


def test_what_is_not_known_takes_no_line() -> None:
    text = str(status({"done": 2}, attempts=1))
    assert text.splitlines() == [
        "3f9a12c4__x  x  (not submitted)",
        "  done              2  100.0 %",
        "  total             2     started        0",
    ]
    assert "(in the queue)" in str(status({"submitted": 2}))
    told = json.loads(json.dumps(status({"done": 2}).to_json()))
    assert (told["rate"], told["seconds_left"], told["reasons"]) == (None, None, {})


@pytest.mark.parametrize(
    ("count", "of", "told"),
    [(1, 10_000, "<0.1 %"), (9_999, 10_000, ">99.9 %"), (1, 1000, "0.1 %"), (999, 1000, "99.9 %")],
)
def test_some_is_never_told_as_none_nor_as_all(count: int, of: int, told: str) -> None:
    assert status({"done": count, "error": of - count}).share("done") == told


@given(some_counts, st.integers(len(STATES), 2000))
def test_a_bar_is_full_and_shows_every_state(counts: dict[str, int], parts: int) -> None:
    portions = status(counts).portions(parts)
    assert sum(portions.values()) == parts
    assert set(portions) == set(counts)
    assert all(part >= 1 for part in portions.values())
    assert list(portions) == [state for state in FROM_THE_LEFT if state in counts]
    for state, part in portions.items():
        assert abs(part - parts * counts[state] / sum(counts.values())) <= len(STATES)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (1234.5, "1,234 jobs/s"),
        (12.34, "12.3 jobs/s"),
        (0.125, "7.5 jobs/min"),
        (0.01, "36.0 jobs/h"),
        (0.00005, "0.18 jobs/h"),
    ],
)
def test_a_speed_is_told_in_the_unit_that_fits(rate: float, told: str) -> None:
    assert speed(rate) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599.0, "1 h"),
        (7800.0, "2 h 10 min"),
        (86_399.0, "1 d"),
        (90_000.0, "1 d 1 h"),
        (1e9, "11,574 d"),
    ],
)
def test_a_time_left_is_told_roughly(seconds: float, told: str) -> None:
    assert roughly(seconds) == told


# How linear red, green and blue are seen without the red, or the green, receptor
# (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "no green": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}


def _seen(colour: str, eye: str) -> list[float]:
    """Lightness and the two opponent colours (CIE L*a*b*) as ``eye`` sees ``colour``."""
    linear = [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]
    red, green, blue = (
        min(max(sum(w * c for w, c in zip(row, linear, strict=True)), 0.0), 1.0)
        for row in SEEN[eye]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    x, y, z = (c ** (1 / 3) if c > 0.008856 else 7.787 * c + 16 / 116 for c in (x, y, z))
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("eye", SEEN)
def test_every_state_has_a_colour_that_is_seen_apart(eye: str) -> None:
    assert set(COLOURS) == set(STATES) == set(FROM_THE_LEFT)
    for one, other in combinations(STATES, 2):
        pairs = zip(_seen(COLOURS[one], eye), _seen(COLOURS[other], eye), strict=True)
        assert sum((a - b) ** 2 for a, b in pairs) ** 0.5 > 12, (one, other)
