"""Runs statements for HTTP requests: in threads, under the client's query id, ended when it is gone."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from devstack.clickhouse.engine import Answer, Engine, Work
from devstack.clickhouse.errors import StatementError

# As many statements at once as a server takes by default; a thread is made when it is needed.
MAX_STATEMENTS = 100
_POLL_SECONDS = 0.05


class Front:
    """Carries statements from the event loop to the engine and answers back."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        # Kills have a thread of their own: they must get through when all others are taken.
        self._statements = ThreadPoolExecutor(MAX_STATEMENTS, thread_name_prefix="statement")
        self._kills = ThreadPoolExecutor(1, thread_name_prefix="kill")
        self._running: set[str] = set()
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        """The engine's version, such as 26.9.2.1."""
        return self._engine.version

    @property
    def busy(self) -> bool:
        """Whether a statement is running."""
        return bool(self._running)

    async def run(self, work: Work, gone: Callable[[], Awaitable[None]] | None = None) -> Answer:
        """Run a statement and return its answer. Raises StatementError.

        `gone` waits until the client has hung up; the statement is then cancelled. None: it is carried out
        whatever becomes of the client, as a server does with everything that writes.
        """
        self._claim(work.query_id)
        statement = self._statements.submit(self._engine.run, work)
        statement.add_done_callback(lambda _: self._release(work.query_id))
        answer = asyncio.wrap_future(statement)
        watch = asyncio.create_task(self._kill_when(gone, work.query_id)) if gone else None
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            # The process is ending: the client hears so, in place of an answer that means nothing to it.
            await self._kill(work.query_id)
            return await answer
        finally:
            if watch:
                watch.cancel()

    async def _kill_when(self, gone: Callable[[], Awaitable[None]], query_id: str) -> None:
        await gone()
        await self._kill(query_id)

    async def _kill(self, query_id: str) -> None:
        await asyncio.wrap_future(self._kills.submit(self._engine.kill, query_id))

    def _claim(self, query_id: str) -> None:
        with self._lock:
            if query_id in self._running:
                raise StatementError(
                    216,
                    "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING",
                    f"Query with id = {query_id} is already running.",
                )
            self._running.add(query_id)

    def _release(self, query_id: str) -> None:
        with self._lock:
            self._running.discard(query_id)

    async def stop(self, seconds: float) -> None:
        """Cancel what is running, within `seconds`; `busy` then tells whether something would not end."""
        self._statements.shutdown(wait=False, cancel_futures=True)
        deadline = self._clock() + seconds
        while self._running and self._clock() < deadline:
            # Again and again: a statement may have been on its way into the engine the first time.
            kill = asyncio.wrap_future(self._kills.submit(self._engine.kill))
            await asyncio.wait([kill], timeout=max(0.0, deadline - self._clock()))
            await asyncio.sleep(_POLL_SECONDS)
        self._kills.shutdown(wait=False)
