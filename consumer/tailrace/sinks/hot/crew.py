"""Many small writes at once. Rule: so many threads and no more; the first that fails for good ends them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final, TypeVar

from tailrace.commit.patience import Patience
from tailrace.commit.ports import Say
from tailrace.world import WorldError

THREADS: Final = 12
T = TypeVar("T")


class Crew:
    """Threads of one lane, which begin when they are first needed."""

    def __init__(self, say: Say, lane: str, threads: int = THREADS) -> None:
        self._say = say
        self.lane = lane
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hot") if threads > 1 else None

    def each(self, work: Iterable[T], act: Callable[[T, Patience], None], patience: Patience) -> None:
        """Have every piece of work done. Work is taken as it is done, so it may be a generator of very much."""
        left, lock, over = iter(work), Lock(), object()
        failed = False

        def drain() -> None:
            nonlocal failed
            while not failed:
                with lock:
                    one = next(left, over)
                if one is over:
                    return
                try:
                    act(one, patience.part())  # type: ignore[arg-type]  # it is none but work
                except BaseException:
                    failed = True
                    raise

        if self._pool is None:
            drain()
            return
        flights = [self._pool.submit(drain) for _ in range(self._threads)]
        errors = [error for flight in flights if (error := flight.exception()) is not None]
        if errors:
            raise errors[0]

    def bear(self, patience: Patience, act: Callable[[], T]) -> T:
        """Do it, again and again while it may come to pass."""
        while True:
            patience.trying()
            try:
                return act()
            except WorldError as error:
                self.trouble(error)
                patience.wait(error)

    def trouble(self, error: Exception) -> None:
        self._say("trouble", lane=self.lane, what="hot", error=str(error))
