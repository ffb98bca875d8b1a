"""Events: what a client gets, and when it gets nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from hpcbatch.server.dashboard import feed as module
from hpcbatch.server.dashboard.feed import Feed
from hpcbatch.server.users import User
from hpcbatch.words.errors import AccessDenied
from hpcbatch.words.model import STATES, TaskSpec
from hpcbatch.words.status import TaskStatus

ALICE = User(id="a" * 52, name="alice", public_pem="", admin=False, added=0.0, revoked=None)
ADMIN = User(id="b" * 52, name="admin", public_pem="", admin=True, added=0.0, revoked=None)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    monkeypatch.setattr(module, "CHECKED_EVERY", 0.0)


def task(number: int, done: int = 0, owner: str = ALICE.id) -> tuple[TaskSpec, TaskStatus]:
    id = f"{number:08x}__t"
    fields: Any = {
        "created": 0.0,
        "user": "u",
        "host": "h",
        "njobs": 9,
        "seed": 1,
        "kind": "python",
    }
    fields |= {"function": "f", "positional": 0, "names": [], "constants": [], "python": "3.12"}
    spec = TaskSpec(id=id, name="t", folder="/", owner=owner, **fields)
    counts = {**dict.fromkeys(STATES, 0), "done": done, "queued": 9 - done}
    return spec, TaskStatus(id, "t", 9, counts, done)


class World:
    """Tasks that change, and a feed of them."""

    def __init__(self, *tasks: tuple[TaskSpec, TaskStatus]):
        self.tasks, self.ends, self.looks = list(tasks), False, 0
        self.feed = Feed(
            self.look, lambda _, status: {"id": status.id, **status.counts}, self.is_over
        )

    def look(self) -> list[tuple[TaskSpec, TaskStatus]]:
        self.looks += 1
        return list(self.tasks)

    def is_over(self) -> bool:
        return self.ends


async def fine() -> None:
    """May stay."""


async def message(stream: AsyncIterator[bytes]) -> tuple[str, dict[str, Any]]:
    """The next one's version and content."""
    raw = (await asyncio.wait_for(anext(stream), 30)).decode()
    assert raw.endswith("\n\n")
    assert raw.count("\n\n") == 1
    lines = dict(line.split(": ", 1) for line in raw.strip().split("\n"))
    assert lines["event"] == "tasks"
    return lines["id"], json.loads(lines["data"])


def ids(told: dict[str, Any]) -> list[str]:
    return [one["id"][:8].lstrip("0") for one in told["tasks"]]


def test_first_all_then_what_changed() -> None:
    async def run() -> None:
        world = World(task(1), task(2))
        stream = world.feed.stream(ALICE, "", fine)
        version, told = await message(stream)
        assert (told["all"], sorted(ids(told)), told["gone"]) == (True, ["1", "2"], [])
        world.tasks[1] = task(2, done=3)
        later, told = await message(stream)
        assert (told["all"], ids(told)) == (False, ["2"])
        assert told["tasks"][0]["done"] == 3
        del world.tasks[0]
        _, told = await message(stream)
        assert (told["tasks"], told["gone"]) == ([], ["00000001__t"])
        for since, what in (
            (version, False),
            (later, False),
            ("", True),
            ("other-1", True),
            (f"{version[:9]}²", True),
            (f"{version}9", True),
        ):
            again = world.feed.stream(ALICE, since, fine)
            _, told = await message(again)
            assert told["all"] is what
            await again.aclose()  # type: ignore[attr-defined]
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_a_slow_client_gets_the_last_of_many_changes() -> None:
    async def run() -> None:
        world = World(task(1))
        stream = world.feed.stream(ALICE, "", fine)
        await message(stream)
        for done in range(1, 6):
            before = world.looks
            world.tasks = [task(1, done)]
            while world.looks < before + 2:
                await asyncio.sleep(0.01)
        _, told = await message(stream)
        assert [one["done"] for one in told["tasks"]] == [5]
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_each_user_gets_the_own_tasks() -> None:
    async def run() -> None:
        world = World(task(1), task(2, owner="somebody"))
        for user, seen in ((ALICE, ["1"]), (ADMIN, ["1", "2"])):
            stream = world.feed.stream(user, "", fine)
            _, told = await message(stream)
            assert sorted(ids(told)) == seen
            await stream.aclose()  # type: ignore[attr-defined]
        stream = world.feed.stream(ALICE, "", fine)
        await message(stream)
        world.tasks[1] = task(2, done=1, owner="somebody")
        before = world.looks
        waiting = asyncio.ensure_future(anext(stream))
        while world.looks < before + 3:
            await asyncio.sleep(0.01)
        assert not waiting.done()  # of what another's tasks do nothing is told
        world.tasks[0] = task(1, done=1)
        assert b'"done":1' in await asyncio.wait_for(waiting, 30)
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())


def test_hundreds_of_clients_share_one_look() -> None:
    async def run() -> None:
        world = World(*(task(number) for number in range(20)))
        streams = [world.feed.stream(ALICE, "", fine) for _ in range(300)]
        first = await asyncio.gather(*map(message, streams))
        assert all(len(told["tasks"]) == 20 for _, told in first)
        before = world.looks
        waiting = [asyncio.ensure_future(message(stream)) for stream in streams]
        await asyncio.sleep(0)
        world.tasks[3] = task(3, done=1)
        told = await asyncio.gather(*waiting)
        assert {tuple(ids(one)) for _, one in told} == {("3",)}
        assert world.looks - before < 100
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        seen = world.looks
        await asyncio.sleep(0.1)
        assert world.looks <= seen + 1  # nobody watches

    asyncio.run(run())


@pytest.mark.parametrize("how", ["the server ends", "the session ends"])
def test_streams_end(how: str) -> None:
    async def run() -> None:
        world, may_stay = World(task(1)), [True]

        async def check() -> None:
            if not may_stay[0]:
                raise AccessDenied("revoked")

        stream = world.feed.stream(ALICE, "", check)
        await message(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        if how == "the server ends":
            world.ends = True
        else:
            may_stay[0] = False
            world.tasks = [task(1, done=1)]
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 30)

    asyncio.run(run())


def test_a_look_that_fails_is_looked_again() -> None:
    async def run() -> None:
        world = World(task(1))
        look: Callable[[], Any] = world.look
        stream = world.feed.stream(ALICE, "", fine)
        await message(stream)

        def fails_once() -> Any:
            world.feed._look = look
            world.tasks = [task(1, done=1)]
            raise OSError("the disk is away")

        world.feed._look = fails_once
        _, told = await message(stream)
        assert told["tasks"][0]["done"] == 1
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
