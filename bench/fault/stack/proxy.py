"""A small TCP proxy between Tailor and one of its servers, which can cut or stall all connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

CHUNK = 1 << 16
Address = Path | tuple[str, int]


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to a unix socket or a TCP address."""

    def __init__(self, target: Address) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._listening = threading.Event()

    def start(self) -> None:
        """Begin to listen; `port` is known afterwards."""
        self._thread.start()
        self._listening.wait()

    def stop(self) -> None:
        """End all connections and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def cut(self) -> None:
        """Break all connections, and every new one, until `heal`."""
        self._soon(self._cut)

    def stall(self) -> None:
        """Let no byte through until `heal`; connections stay open."""
        self._soon(self._flowing.clear)

    def heal(self) -> None:
        """Let everything through again."""
        self._soon(self._heal)

    def _soon(self, call: Callable[[], object]) -> None:
        done = threading.Event()

        def do() -> None:
            call()
            done.set()

        self._loop.call_soon_threadsafe(do)
        done.wait()

    def _cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def _heal(self) -> None:
        self._is_cut = False
        self._flowing.set()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._listening.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        if self._server:
            self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._open.add(writer)
        try:
            await self._flowing.wait()
            if not self._is_cut:
                await self._join(reader, writer)
        except OSError:
            pass  # the server is away: the client sees its connection end
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await self._connect()
        self._open.add(far_writer)
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait(pumps, timeout=1)  # what the other side still has to say
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._open.discard(far_writer)
            far_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection(*self._target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
