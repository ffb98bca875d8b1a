"""Peers that fail too often are not listened to for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcbatch.server import failures
from hpcbatch.server.failures import Failures
from hpcbatch.words.errors import AccessDenied, TooManyFailures

NOW = 1_800_000_000.0


def is_heard(limited: Failures, peer: object, now: float) -> bool:
    try:
        limited.check(peer, now)
    except TooManyFailures:
        return False
    return True


def test_the_limit_holds_until_the_first_of_the_failures_is_old() -> None:
    limited = Failures(limit=3, per_seconds=60)
    for second in (0, 10, 20):
        assert is_heard(limited, "peer", NOW + second)
        limited.note("peer", NOW + second)
    with pytest.raises(TooManyFailures, match="try again in 40 s") as caught:
        limited.check("peer", NOW + 20)
    assert caught.value.retry_after == 40
    assert isinstance(caught.value, AccessDenied)
    assert not is_heard(limited, "peer", NOW + 59.9)
    assert is_heard(limited, "peer", NOW + 60)
    limited.note("peer", NOW + 60)
    assert not is_heard(limited, "peer", NOW + 69)
    assert is_heard(limited, "peer", NOW + 70)


def test_peers_do_not_pay_for_each_other() -> None:
    limited = Failures(limit=1)
    limited.note("one", NOW)
    assert not is_heard(limited, "one", NOW)
    assert is_heard(limited, "other", NOW)
    assert is_heard(limited, ("one", 1), NOW)


def test_asking_alone_is_no_failure() -> None:
    limited = Failures(limit=1)
    assert all(is_heard(limited, "peer", NOW) for _ in range(100))


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    limited = Failures(limit=1, per_seconds=60)
    limited.note("peer", NOW + 86_400)
    assert is_heard(limited, "peer", NOW)


def test_memory_is_bounded_and_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PEERS", 100)
    limited = Failures(limit=1)
    limited.note("kept", NOW)
    for peer in range(99):
        limited.note(peer, NOW)
    limited.note("kept", NOW + 1)
    for peer in range(99, 150):
        limited.note(peer, NOW + 1)
    assert len(limited._times) == 100
    assert not is_heard(limited, "kept", NOW + 1)
    assert is_heard(limited, 0, NOW + 1)


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60),
)
def test_no_peer_ever_fails_more_often_than_allowed(
    limit: int, tries: list[tuple[str, float]]
) -> None:
    limited = Failures(limit, per_seconds=60)
    now = NOW
    failed: dict[str, list[float]] = {"a": [], "b": []}
    for peer, pause in tries:
        now += pause
        recent = [time for time in failed[peer] if now - time < 60]
        assert is_heard(limited, peer, now) == (len(recent) < limit)
        if len(recent) < limit:
            limited.note(peer, now)
            failed[peer].append(now)
        else:
            with pytest.raises(TooManyFailures) as caught:
                limited.check(peer, now)
            assert 0 < caught.value.retry_after <= 60
            assert is_heard(limited, peer, now + caught.value.retry_after + 1e-3)
