"""However many threads decode, their pixels together stay within the budget, and every one gets its turn."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.serving.pixel_budget import PixelBudget


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=30))
def test_never_more_than_the_budget_and_nobody_is_left_out(photos: list[int]) -> None:
    budget, lock = PixelBudget(100), Lock()
    held: list[int] = []
    sums: list[int] = []

    def decode(pixels: int) -> None:
        with budget.hold(pixels):
            with lock:
                held.append(min(pixels, 100))
                sums.append(sum(held))
            time.sleep(0)  # lets the others have a try
            with lock:
                held.remove(min(pixels, 100))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decode, photos, timeout=60))
    assert len(sums) == len(photos)
    assert max(sums) <= 100


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_large_one_is_not_overtaken_by_small_ones() -> None:
    budget = PixelBudget(100)
    order: list[str] = []

    def decode(name: str, pixels: int) -> None:
        with budget.hold(pixels):
            order.append(name)

    threads = []
    with budget.hold(50):
        for number, (name, pixels) in enumerate((("large", 100), ("small", 1)), 1):
            threads.append(Thread(target=decode, args=(name, pixels)))
            threads[-1].start()
            until(lambda number=number: len(budget._queue) == number)
        assert order == []  # the small one would fit, and waits its turn
    for thread in threads:
        thread.join(30)
    assert order == ["large", "small"]


def test_two_that_fit_go_at_once() -> None:
    budget, inside, leave = PixelBudget(100), Event(), Event()

    def decode() -> None:
        with budget.hold(50):
            inside.set()
            leave.wait(30)

    thread = Thread(target=decode)
    with budget.hold(50):
        thread.start()
        assert inside.wait(30)
    leave.set()
    thread.join(30)


def test_a_photo_that_fails_gives_its_room_back() -> None:
    budget = PixelBudget(10)
    with pytest.raises(ValueError), budget.hold(10):
        raise ValueError
    with budget.hold(10):
        pass
