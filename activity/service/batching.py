"""Micro-batching: requests that come close together are worked on as one batch.

A network takes little longer for many inputs than for one, so the first request of a batch waits a few milliseconds
for others; while a batch is at work, the next one gathers without any waiting of its own. The same idea as in
Clipper: A Low-Latency Online Prediction Serving System (Crankshaw et al., NSDI 2017), section 4.3.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from activity.errors import ActivityError

Item = TypeVar("Item")
Result = TypeVar("Result")


class BatcherFullError(ActivityError):
    """More wait than may wait."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    weight: int
    arrived_s: float
    answer: asyncio.Future[Result]


class MicroBatcher(Generic[Item, Result]):
    """Gathers items and hands them to one thread, batch by batch, in the order they came.

    Args:
        work: Called in a thread of its own with the items of a batch; gives one result for each.
        max_weight: A batch gathers until its weight reaches this; an item that is heavier goes alone.
        wait_s: How long the first item of a batch waits for others, in seconds.
        max_waiting: Weight that may wait at most.
        on_batch: Told of the number of items of each batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        max_weight: int,
        wait_s: float,
        max_waiting: int,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._work = work
        self._max_weight = max_weight
        self._wait_s = wait_s
        self._max_waiting = max_waiting
        self._on_batch = on_batch
        self._line: deque[_Waiting[Item, Result]] = deque()
        self._weight = 0
        self._arrival = asyncio.Event()
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work, in the running event loop."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop after the batch that is at work; whoever still waits gets `CancelledError`."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for waiting in self._line:
            waiting.answer.cancel()
        self._line.clear()
        self._weight = 0
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)

    async def submit(self, item: Item, *, weight: int = 1) -> Result:
        """Wait for the result of one item.

        Raises:
            BatcherFullError: If the line is full.
        """
        if self._line and self._weight + weight > self._max_waiting:
            raise BatcherFullError(f"{self._weight} segments wait, {self._max_waiting} may")
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Item, Result] = _Waiting(item, weight, loop.time(), loop.create_future())
        self._line.append(waiting)
        self._weight += weight
        self._arrival.set()
        return await waiting.answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._gather(loop)
            batch = self._take()
            if not batch:
                continue
            if self._on_batch is not None:
                self._on_batch(len(batch))
            outcomes = await loop.run_in_executor(
                self._thread, self._outcomes, [entry.item for entry in batch]
            )
            for entry, outcome in zip(batch, outcomes, strict=True):
                if entry.answer.done():  # its request was broken off
                    continue
                if isinstance(outcome, BaseException):
                    entry.answer.set_exception(outcome)
                else:
                    entry.answer.set_result(outcome)

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a first item, and then until the batch is full or the first item waited long enough."""
        while True:
            self._arrival.clear()
            if self._line:
                patience_s = self._line[0].arrived_s + self._wait_s - loop.time()
                if patience_s <= 0 or self._weight >= self._max_weight:
                    return
                try:
                    async with asyncio.timeout(patience_s):
                        await self._arrival.wait()
                except TimeoutError:
                    return
            else:
                await self._arrival.wait()

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        weight = 0
        while self._line and (not batch or weight + self._line[0].weight <= self._max_weight):
            entry = self._line.popleft()
            self._weight -= entry.weight
            if not entry.answer.done():
                batch.append(entry)
                weight += entry.weight
        return batch

    def _outcomes(self, items: list[Item]) -> Sequence[Result | Exception]:
        """Results of a batch; where the batch fails, each item is tried alone, so that one spoils none of the others."""
        try:
            return self._work(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
        return [self._outcomes([item])[0] for item in items]
