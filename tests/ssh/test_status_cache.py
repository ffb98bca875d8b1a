"""What has not changed does not travel again."""

from __future__ import annotations

from typing import Any

from hpcbatch.sites.ssh.status_cache import StatusCache, new_of


def asked(seen: StatusCache, there: list[dict[str, Any]], ids: list[str] | None) -> list[Any]:
    """What travelled; what came of it is what was there."""
    words = seen.words(ids)
    travelled = new_of(there, words)
    assert seen.whole(travelled, words) == there
    return travelled


def test_only_what_is_new_travels() -> None:
    seen = StatusCache()
    a, b, broken = {"id": "a", "n": 1}, {"id": "b", "n": 1}, {"error": "NotFound"}
    assert asked(seen, [a, b], ["a", "b"]) == [a, b]
    again = asked(seen, [b, broken, a], ["b", "c", "a"])
    assert [type(each) for each in again] == [str, dict, str]
    changed = {"id": "b", "n": 2}
    assert asked(seen, [a, changed], None)[1] == changed
    assert [type(each) for each in asked(seen, [a, changed], None)] == [str, str]


def test_two_that_are_alike_are_told_apart() -> None:
    seen, other = StatusCache(), StatusCache()
    asked(seen, [{"id": "a"}, {"id": "b"}], None)
    assert asked(other, [{"id": "a"}], ["a"]) == [{"id": "a"}]
    assert all(isinstance(each, str) for each in asked(seen, [{"id": "b"}, {"id": "a"}], None))
