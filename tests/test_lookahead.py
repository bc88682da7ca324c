"""Several frames in work at once: order, bounds, errors, and threads that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from activity.errors import ConfigurationError
from activity.lookahead import FRAMES_PER_WORKER, work_ahead

WORKERS = [1, 2, 5]


def slowest_first(number: int) -> int:
    time.sleep(0.02 if number % 3 == 0 else 0)
    return number * number


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("count", [0, 1, 2, 23])
def test_results_come_in_the_order_of_the_items_though_the_first_is_the_slowest(
    workers: int, count: int
) -> None:
    with work_ahead(slowest_first, range(count), workers=workers) as results:
        assert list(results) == [(number, number * number) for number in range(count)]


def test_two_items_are_in_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)  # passed only by two threads that are in work together
    with work_ahead(lambda _: meeting.wait(), range(4), workers=2) as results:
        assert sorted(arrival for _, arrival in results) == [0, 0, 1, 1]


def test_one_worker_is_the_calling_thread_and_takes_nothing_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            taken.append(number)
            yield number

    with work_ahead(lambda _: threading.current_thread(), items(), workers=1) as results:
        for number, thread in results:
            assert thread is threading.current_thread()
            assert taken == list(range(number + 1))


@pytest.mark.parametrize("workers", [2, 3])
def test_the_items_taken_and_not_given_out_are_bounded_however_many_there_are(workers: int) -> None:
    taken, most = 0, 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number

    with work_ahead(lambda number: number, items(), workers=workers) as results:
        for given, _ in enumerate(results):
            time.sleep(0.001)  # the reader is the slow one: nothing may pile up meanwhile
            most = max(most, taken - given)
    assert taken == 60
    assert most == FRAMES_PER_WORKER * workers


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_comes_where_its_result_would_have_and_the_ones_before_it_are_given(workers: int) -> None:
    def fail_at_five(number: int) -> int:
        time.sleep(0.02 if number < 5 else 0)  # the failure is known long before it is due
        if number == 5:
            raise ValueError("five")
        return number

    given: list[int] = []
    with (
        pytest.raises(ValueError, match="five"),
        work_ahead(fail_at_five, range(20), workers=workers) as results,
    ):
        given.extend(result for _, result in results)
    assert given == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_of_the_source_comes_after_the_results_of_all_items_before_it(workers: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("damaged after five")

    given: list[int] = []
    with (
        pytest.raises(ValueError, match="damaged after five"),
        work_ahead(slowest_first, items(), workers=workers) as results,
    ):
        given.extend(number for number, _ in results)
    assert given == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("end", ["all", "left early", "error inside", "work fails"])
def test_no_thread_outlives_the_block_and_waiting_items_are_dropped(end: str) -> None:
    before = set(threading.enumerate())
    done: list[int] = []

    def work(number: int) -> int:
        time.sleep(0.01)
        if end == "work fails" and number == 2:
            raise ValueError(number)
        done.append(number)
        return number

    try:
        with work_ahead(work, range(30), workers=2) as results:
            assert len(set(threading.enumerate()) - before) == 0, "none before the first item"
            next(results)
            assert 1 <= len(set(threading.enumerate()) - before) <= 2
            if end == "error inside":
                raise ValueError(end)
            if end != "left early":
                list(results)
    except ValueError:
        assert end in ("error inside", "work fails")
    assert set(threading.enumerate()) <= before
    assert len(done) == 30 if end == "all" else len(done) < 10


def test_items_that_were_given_out_are_not_kept() -> None:
    alive: list[int] = [0]

    class Frame:
        def __init__(self) -> None:
            alive[0] += 1
            self.pixels = np.zeros((8, 8, 3), np.uint8)

        def __del__(self) -> None:
            alive[0] -= 1

    most = 0
    with work_ahead(lambda frame: frame.pixels.sum(), (Frame() for _ in range(50)), workers=2) as results:
        for _ in results:
            most = max(most, alive[0])
    assert most <= FRAMES_PER_WORKER * 2 + 3, "those in flight, the one given out, and what loops still name"


def test_no_workers_are_refused() -> None:
    with (
        pytest.raises(ConfigurationError, match="workers: expected 1 or more, got 0"),
        work_ahead(slowest_first, [], workers=0),
    ):
        pass
