"""Requests that come together are worked on together, and none spoils another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from activity.service.batching import BatcherFullError, MicroBatcher


class Doubler:
    """Doubles numbers; remembers the batches, waits for a gate, and fails at 13."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.gate.wait(10)
        self.batches.append(list(numbers))
        if 13 in numbers:
            raise ValueError("13 cannot be doubled")
        return [2 * number for number in numbers]


def batcher(
    work: Doubler, *, max_weight: int = 4, wait_s: float = 0.05, max_waiting: int = 100
) -> MicroBatcher[int, int]:
    return MicroBatcher(work, max_weight=max_weight, wait_s=wait_s, max_waiting=max_waiting)


def test_each_gets_its_own_result_and_full_batches_do_not_wait() -> None:
    work = Doubler()

    async def run() -> list[int]:
        line = batcher(work, wait_s=5)  # only full batches can end this soon
        line.start()
        results = await asyncio.wait_for(asyncio.gather(*(line.submit(number) for number in range(8))), 4)
        await line.stop()
        return results

    assert asyncio.run(run()) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert work.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_lone_item_waits_no_longer_than_it_must() -> None:
    async def run() -> float:
        line = batcher(Doubler(), wait_s=0.05)
        line.start()
        begin = asyncio.get_running_loop().time()
        assert await line.submit(21) == 42
        took = asyncio.get_running_loop().time() - begin
        await line.stop()
        return took

    assert 0.04 < asyncio.run(run()) < 3


def test_while_a_batch_is_at_work_the_next_one_gathers() -> None:
    work = Doubler()

    async def run() -> None:
        line = batcher(work, max_weight=100, wait_s=0.0)
        line.start()
        work.gate.clear()
        tasks = [asyncio.create_task(line.submit(0))]
        await asyncio.sleep(0.1)
        tasks += [asyncio.create_task(line.submit(number)) for number in range(1, 6)]
        await asyncio.sleep(0.1)
        work.gate.set()
        await asyncio.gather(*tasks)
        await line.stop()

    asyncio.run(run())
    assert work.batches == [[0], [1, 2, 3, 4, 5]]


def test_weights_bound_a_batch_and_a_heavy_item_goes_alone() -> None:
    work = Doubler()

    async def run() -> None:
        line = batcher(work, max_weight=4, wait_s=0.05)
        line.start()
        await asyncio.gather(line.submit(1, weight=3), line.submit(2, weight=2), line.submit(3, weight=9))
        await line.stop()

    asyncio.run(run())
    assert work.batches == [[1], [2], [3]]


def test_one_that_fails_spoils_none_of_the_others() -> None:
    async def run() -> list[int | BaseException]:
        line = batcher(Doubler())
        line.start()
        results = await asyncio.gather(*(line.submit(n) for n in (1, 13, 3)), return_exceptions=True)
        assert await line.submit(4) == 8
        await line.stop()
        return results

    first, failed, last = asyncio.run(run())
    assert (first, last) == (2, 6)
    assert isinstance(failed, ValueError)


def test_a_full_line_refuses_and_takes_again_once_there_is_room() -> None:
    work = Doubler()

    async def run() -> None:
        line = batcher(work, max_weight=1, wait_s=0, max_waiting=2)
        line.start()
        work.gate.clear()
        tasks = [asyncio.create_task(line.submit(0))]
        await asyncio.sleep(0.1)
        tasks += [asyncio.create_task(line.submit(number)) for number in (1, 2)]
        await asyncio.sleep(0.1)  # one is at work, two wait
        with pytest.raises(BatcherFullError):
            await line.submit(9)
        work.gate.set()
        assert await asyncio.gather(*tasks) == [0, 2, 4]
        assert await line.submit(9) == 18
        await line.stop()

    asyncio.run(run())


def test_a_request_that_is_broken_off_is_not_worked_on() -> None:
    work = Doubler()

    async def run() -> None:
        line = batcher(work, max_weight=10, wait_s=0)
        line.start()
        work.gate.clear()
        first = asyncio.create_task(line.submit(1))
        await asyncio.sleep(0.1)
        given_up, kept = asyncio.create_task(line.submit(2)), asyncio.create_task(line.submit(3))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.sleep(0)
        work.gate.set()
        assert list(await asyncio.gather(first, kept)) == [2, 6]
        await line.stop()

    asyncio.run(run())
    assert work.batches == [[1], [3]]


def test_who_still_waits_at_the_end_is_let_go() -> None:
    async def run() -> None:
        line = batcher(Doubler(), wait_s=10)
        line.start()
        task = asyncio.create_task(line.submit(1))
        await asyncio.sleep(0.05)
        await line.stop()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
