"""What changes, told to every browser that watches: one producer looks, clients get what is new.

A client is a coroutine that waits. It remembers a version, and asks for what is newer: one that is
slow gets fewer messages, never a longer queue.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from starlette.concurrency import run_in_threadpool

from ...words.errors import AccessDenied
from ...words.model import TaskSpec
from ...words.status import TaskStatus
from ..users import User

EVERY = 1.0  # seconds between two looks; a server that stops waits for 2
QUIET = 15.0  # seconds without news after which a connection is tried
CHECKED_EVERY = 10.0  # seconds between two looks whether a client may stay
REMEMBERED = 1000  # tasks that were removed
log = logging.getLogger("hpcbatch.server")


class ListedTask(NamedTuple):
    """One that is known. ``told`` is what a page needs, as JSON."""

    version: int
    owner: str
    status: TaskStatus
    told: str


class Feed:
    """``look`` gives all tasks, ``tell`` what a page needs of one; ``is_ending`` whether the
    server stops."""

    def __init__(
        self,
        look: Callable[[], list[tuple[TaskSpec, TaskStatus]]],
        tell: Callable[[TaskSpec, TaskStatus], dict[str, Any]],
        is_ending: Callable[[], bool],
    ):
        self._look, self._tell, self._is_ending = look, tell, is_ending
        self._word = secrets.token_hex(4)  # of this feed: a version of another one says nothing
        self._version = 0
        self._tasks: dict[str, ListedTask] = {}  # what changed last comes last
        self._gone: deque[tuple[int, str, str]] = deque(maxlen=REMEMBERED)  # version, id, owner
        self._messages: dict[tuple[str, int], bytes] = {}  # of this version
        self._news = asyncio.Event()
        self._first = asyncio.Lock()
        self._clients = 0
        self._producer: asyncio.Task[None] | None = None

    async def stream(
        self, user: User, since: str, check: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[bytes]:
        """Server-sent events: all tasks that the user may see, or what changed since the version
        ``since``; then what changes. ``check`` is called now and then, and raises when the user
        has to leave."""
        async with self._listening():
            loop = asyncio.get_running_loop()
            seen, checked = self._since(since), loop.time()
            while True:
                news = self._news
                if seen < self._version:
                    message = self._message(user, seen)
                    seen = self._version
                    if message:
                        yield message
                if self._is_ending():
                    return
                try:
                    await asyncio.wait_for(news.wait(), QUIET)
                except asyncio.TimeoutError:
                    yield b": still here\n\n"
                if loop.time() - checked >= CHECKED_EVERY:
                    checked = loop.time()
                    try:
                        await check()
                    except AccessDenied:
                        return

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        self._clients += 1
        try:
            async with self._first:
                if self._producer is None:
                    await self._look_once()
                    self._producer = asyncio.create_task(self._produce())
            yield
        finally:
            self._clients -= 1

    async def _produce(self) -> None:
        try:
            while self._clients and not self._is_ending():
                await asyncio.sleep(EVERY)
                await self._look_once()
        finally:
            self._producer = None
            self._wake()

    async def _look_once(self) -> None:
        try:
            self._take(await run_in_threadpool(self._look))
        except Exception:  # whatever it is, the next look must come
            log.exception("a look at the tasks failed")

    def _take(self, found: list[tuple[TaskSpec, TaskStatus]]) -> None:
        version, is_news = self._version + 1, self._version == 0
        for spec, status in found:
            known = self._tasks.get(spec.id)
            if known is None or known.status != status:
                self._tasks.pop(spec.id, None)
                told = json.dumps(self._tell(spec, status), separators=(",", ":"))
                self._tasks[spec.id] = ListedTask(version, spec.owner, status, told)
                is_news = True
        for gone in self._tasks.keys() - {spec.id for spec, _ in found}:
            self._gone.append((version, gone, self._tasks.pop(gone).owner))
            is_news = True
        if is_news:
            self._version = version
            self._messages.clear()
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _since(self, told: str) -> int:
        """The version that a client has; 0 where that is of another server, or too old."""
        word, _, version = told.partition("-")
        if word != self._word or not re.fullmatch(r"[0-9]{1,15}", version):
            return 0
        forgotten = self._gone[0][0] if len(self._gone) == REMEMBERED else 0
        return int(version) if forgotten <= int(version) <= self._version else 0

    def _message(self, user: User, since: int) -> bytes:
        """What is newer than ``since``; empty where that is nothing for this user."""
        everyone = "" if user.admin else user.id
        if (everyone, since) not in self._messages:
            self._messages[everyone, since] = self._written(user, since)
        return self._messages[everyone, since]

    def _written(self, user: User, since: int) -> bytes:
        changed = []
        for task in reversed(self._tasks.values()):
            if task.version <= since:
                break
            if user.admin or task.owner == user.id:
                changed.append(task.told)
        gone = [
            id
            for version, id, owner in self._gone
            if version > since and (user.admin or owner == user.id)
        ]
        if since and not changed and not gone:
            return b""
        is_all, left = json.dumps(not since), json.dumps(gone)
        told = f'{{"all":{is_all},"tasks":[{",".join(changed)}],"gone":{left}}}'
        return f"id: {self._word}-{self._version}\nevent: tasks\ndata: {told}\n\n".encode()
