"""Schedulers are asked once, whoever wants to know; one that hangs holds up nobody for long."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hpcbatch.cluster.overview import Overview
from hpcbatch.server import clusters
from hpcbatch.words.errors import ConfigError, RegistryBusy
from tests.core import eventually


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> clusters.Clusters:
    monkeypatch.setattr(clusters, "SHORT", 0.05)
    return clusters.Clusters("/r", None)


class Asked:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.times, self.lets = 0, threading.Event()

    def __call__(self, root: str, default: str | None) -> Overview:
        self.times += 1
        self.lets.wait(60)
        return Overview((), (f"answer {self.times}",))


def test_a_scheduler_that_hangs(monkeypatch: pytest.MonkeyPatch, site: clusters.Clusters) -> None:
    asked = Asked()
    monkeypatch.setattr(clusters, "overview", asked)
    for _ in range(3):
        with pytest.raises(RegistryBusy, match="ask again soon"):
            asyncio.run(site.overview())
    asked.lets.set()
    eventually(lambda: tells(site) == "answer 1", "an answer")
    assert asked.times == 1, "many want to know, and one asks"

    asked.lets.clear()
    monkeypatch.setattr(clusters, "KEPT", 0.0)
    assert tells(site) == "answer 1", "an older one, while the next is awaited"
    asked.lets.set()
    eventually(lambda: tells(site) != "answer 1", "the next answer")


def test_a_failure_is_told_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, site: clusters.Clusters
) -> None:
    def fail(root: str, default: str | None) -> Overview:
        raise ConfigError("no such file")

    monkeypatch.setattr(clusters, "SHORT", 60.0)
    monkeypatch.setattr(clusters, "overview", fail)
    for _ in range(2):
        with pytest.raises(ConfigError, match="no such file"):
            asyncio.run(site.overview())
    monkeypatch.setattr(clusters, "overview", lambda *_: Overview((), ("well",)))
    assert tells(site) == "well"


def tells(site: clusters.Clusters) -> str:
    try:
        return asyncio.run(site.overview()).notes[0]
    except RegistryBusy:
        return "busy"
