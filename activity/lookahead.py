"""Several frames in work at once, and their results in the order of the frames.

The networks here are small: the threads of one call wait for each other longer than they compute, and what lies between
two calls (scaling, decoding fields, drawing) leaves all cores but one idle. Whole frames in work at once have neither
loss, as long as nothing of one frame is needed for the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Final, TypeVar

from activity.errors import ConfigurationError

FRAMES_PER_WORKER: Final = 2
"""Frames taken for each worker: one in work, and one that waits, so that no worker waits for the next to be decoded."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@contextmanager
def work_ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], *, workers: int
) -> Iterator[Iterator[tuple[_Item, _Result]]]:
    """Call `work` for each item, for several at once where there are several workers; leaving the block ends the threads.

    Results come in the order of the items. No more than `FRAMES_PER_WORKER` items a worker are taken and not yet given
    out, however many there are. An error of `work` is raised where its result would have come; one of `items`, after
    the results of all items before it. Where the block is left early, items that wait are dropped, and those in work
    are waited for.

    Args:
        work: Called in threads, except by one worker; what it calls must bear that.
        items: Read in the calling thread, ahead of the results.
        workers: Items in work at once. One worker is the calling thread itself, and nothing is taken ahead.

    Yields:
        Pairs of item and result.

    Raises:
        ConfigurationError: If `workers` is below 1.
    """
    if workers < 1:
        raise ConfigurationError(f"workers: expected 1 or more, got {workers}")
    if workers == 1:
        yield ((item, work(item)) for item in items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="frames")
    try:
        yield _in_order(pool, work, iter(items), most=FRAMES_PER_WORKER * workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[_Item], _Result], items: Iterator[_Item], *, most: int
) -> Iterator[tuple[_Item, _Result]]:
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    failure: Exception | None = None
    while True:
        try:
            for item in islice(items, 0 if failure else most - len(waiting)):
                waiting.append((item, pool.submit(work, item)))
        except Exception as error:  # told after the frames before it
            failure = error
        if not waiting:
            break
        item, future = waiting.popleft()
        yield item, future.result()
    if failure is not None:
        raise failure
