"""Results that have come here once are not fetched again."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

import hpcbatch as hb
from hpcbatch.sites.ssh import result_cache
from hpcbatch.sites.ssh.result_cache import ResultCache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_added_is_there_for_the_next(cache: Path) -> None:
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        kept.add(3, b"three")
        kept.add(1, b"")
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        assert sorted(kept.jobs) == [1, 3]
        assert (kept.value(3), kept.value(1)) == (b"three", b"")
    with contextlib.closing(ResultCache("ssh://b", "12345678__t")) as kept:
        assert kept.jobs == []
    for path in (cache / "hpcbatch" / "results").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_one_is_taken_for_none(cache: Path, cut: int) -> None:
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        kept.add(0, b"whole")
        kept.add(1, b"torn")
    path = next(cache.rglob("*.rec"))
    path.write_bytes(path.read_bytes()[:-cut])
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        assert kept.jobs == [0]
        kept.add(2, b"more")
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        assert (kept.value(0), kept.value(2)) == (b"whole", b"more")


def test_one_process_at_a_time_adds(cache: Path) -> None:
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as first:
        with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as second:
            second.add(0, b"lost")
        first.add(1, b"kept")
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        assert kept.jobs == [1]


def test_a_folder_of_others_is_refused(cache: Path) -> None:
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")):
        pass
    next((cache / "hpcbatch" / "results").iterdir()).chmod(0o777)
    with pytest.raises(hb.RegistryUnsafe):
        ResultCache("ssh://a", "12345678__t")


def test_a_disk_that_takes_nothing_keeps_nothing(cache: Path) -> None:
    cache.write_text("a file where the folder would be")
    with contextlib.closing(ResultCache("ssh://a", "12345678__t")) as kept:
        kept.add(0, b"gone")
        assert kept.jobs == []
        assert 0 not in kept
    result_cache.forget("ssh://a", "12345678__t")
    result_cache.forget_old("ssh://a")
