"""A TCP proxy that delays what comes back, or hands it out in bunches."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


async def _delayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, due: Callable[[float], float]) -> None:
    """Hand on what comes, when ``due`` says for the time of its arrival."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        data = b"."
        while data:
            data = await reader.read(65536)
            queue.put_nowait((due(loop.time()), data))

    reading = asyncio.create_task(read())
    try:
        while True:
            at, data = await queue.get()
            await asyncio.sleep(at - loop.time())
            if not data:
                return
            writer.write(data)
            await writer.drain()
    finally:
        reading.cancel()
        writer.close()


def delaying(port: int, delay_s: float) -> AbstractContextManager[int]:
    """Connections to the port that is yielded go on to ``port``; what comes back comes ``delay_s`` seconds late."""
    return _passing(port, lambda now: now + delay_s)


def bunching(port: int, every_s: float) -> AbstractContextManager[int]:
    """The same, but what comes back is held and handed out every ``every_s`` seconds, as by a busy wireless network."""
    return _passing(port, lambda now: math.ceil(now / every_s) * every_s)


@contextmanager
def _passing(port: int, due: Callable[[float], float]) -> Iterator[int]:
    ready, ports = threading.Event(), []
    done: asyncio.Event
    loop: asyncio.AbstractEventLoop

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", port)
        pipes = (_delayed(reader, forth, lambda now: now), _delayed(back, writer, due))
        await asyncio.gather(*pipes, return_exceptions=True)

    async def main() -> None:
        nonlocal done, loop
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="proxy")
    thread.start()
    assert ready.wait(10.0)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
