"""Threads that run one at a time, and change only where a test says. Rule: the same choices give the same run.

Each simulated process is a group of threads. A thread holds the baton until it pauses, waits or ends; then it goes to
whom the driver of the simulation chooses. A killed group's threads end at their next pause; a stalled group's do not
get it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from tailrace.commit import lane, objects


class Killed(BaseException):
    """This process is no more."""


class Group:
    """The threads of one process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.stalled = False


class Task:
    """One thread."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.done = False
        self.go = Lock()
        self.go.acquire()


class Threads:
    """The baton, and who may have it."""

    def __init__(self, tick: Callable[[float], None] = lambda _: None) -> None:
        self._tick = tick  # told how long a wait took
        self._tasks: list[Task] = []
        self._main = Lock()
        self._main.acquire()
        self._choose: Callable[[list[Task], Task | None], Task | None] = lambda _tasks, _current: None
        self._current: Task | None = None
        self._error: BaseException | None = None

    # -- for the one who drives ---------------------------------------------------------------------------------

    def run(self, choose: Callable[[list[Task], Task | None], Task | None]) -> None:
        """Hand the baton on until `choose` names nobody. It is asked with all who can run, and who has it now."""
        self._choose, self._error = choose, None
        self._hand(self._next(None))
        self._main.acquire()
        if self._error is not None:
            raise self._error

    def spawn(self, group: Group, work: Callable[[], object]) -> None:
        """Begin a thread; it waits until it is chosen."""
        task = Task(group)
        self._tasks.append(task)
        Thread(target=self._body, args=(task, work), daemon=True).start()

    def runnable(self) -> list[Task]:
        return [task for task in self._tasks if not (task.done or task.group.stalled)]

    def _next(self, current: Task | None) -> Task | None:
        self._tasks = [task for task in self._tasks if not task.done]
        for task in self._tasks:
            if task.group.dead:  # it only unwinds, which nothing of the world can see
                return task
        try:
            chosen = self._choose(self.runnable(), current)
        except BaseException as error:  # noqa: BLE001 - raised in `run`
            self._error, chosen = error, None
        return chosen

    def _hand(self, task: Task | None) -> None:
        self._current = task
        (self._main if task is None else task.go).release()

    def _body(self, task: Task, work: Callable[[], object]) -> None:
        task.go.acquire()
        try:
            if not task.group.dead:
                work()
        except Killed:
            pass
        finally:
            task.done = True
            self._hand(self._next(None))

    # -- for those who run --------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Let others go first."""
        task = self._current
        assert task is not None, "only a simulated thread pauses"
        if not task.group.dead:
            chosen = self._next(task)
            if chosen is not task:
                self._hand(chosen)
                task.go.acquire()
        if task.group.dead:
            raise Killed

    def executor(self, size: int, thread_name_prefix: str = "") -> Executor:
        assert self._current is not None, "pools are made by simulated processes"
        return Executor(self, self._current.group, size)

    def wait(self, futures: Iterable[Future[Any]], timeout: float | None = None) -> None:
        while not all(future.done() for future in futures):
            self.pause()
            if timeout is not None:
                self._tick(timeout)
                return

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put these threads under the lane in place of the machine's."""
        both = [vars(module) for module in (lane, objects)]
        before = [{name: machine[name] for name in ("ThreadPoolExecutor", "wait")} for machine in both]
        for machine in both:
            machine.update(ThreadPoolExecutor=self.executor, wait=self.wait)
        try:
            yield
        finally:
            for machine, names in zip(both, before, strict=True):
                machine.update(names)


class _Future(Future[Any]):
    def __init__(self, threads: Threads) -> None:
        super().__init__()
        self._threads = threads

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self._threads.pause()
        return super().result(0)


class Executor:
    """A pool; as many of its threads run at once as it has."""

    def __init__(self, threads: Threads, group: Group, size: int) -> None:
        self._threads = threads
        self._group = group
        self._size = size
        self._busy = 0

    def submit(self, work: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future = _Future(self._threads)

        def run() -> None:
            while self._busy >= self._size:
                self._threads.pause()
            if not future.set_running_or_notify_cancel():
                return
            self._busy += 1
            try:
                future.set_result(work(*args))
            except BaseException as error:  # noqa: BLE001 - as a pool does
                future.set_exception(error)
            finally:
                self._busy -= 1

        self._threads.spawn(self._group, run)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go; the threads end with their process."""
