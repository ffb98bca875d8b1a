"""A way to a port that takes its time: every byte arrives so much later, in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import threading


class Delayed:
    """Listens on ``port``, and leads to ``target`` on this machine, ``seconds`` each way."""

    def __init__(self, target: int, seconds: float):
        self._target, self._seconds = target, seconds
        self._loop = asyncio.new_event_loop()
        self.port = 0

    def __enter__(self) -> Delayed:
        listens = threading.Event()
        threading.Thread(target=self._run, args=(listens,), daemon=True).start()
        listens.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_later(0.1, self._loop.stop)

    def _run(self, listens: threading.Event) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        listens.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._target)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(self._pass(reader, there[1]), self._pass(there[0], writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What comes is held for a while, and more may come meanwhile: it is no throttle."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            content = b"-"
            with contextlib.suppress(OSError):
                while content:
                    when, content = await under_way.get()
                    await asyncio.sleep(max(0.0, when - self._loop.time()))
                    writer.write(content)
                    await writer.drain()
                writer.close()

        delivery = asyncio.ensure_future(deliver())
        content = b"-"
        with contextlib.suppress(OSError):
            while content:
                content = await reader.read(1 << 16)
                under_way.put_nowait((self._loop.time() + self._seconds, content))
        under_way.put_nowait((self._loop.time(), b""))
        await delivery
