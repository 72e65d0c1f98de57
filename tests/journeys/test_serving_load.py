"""The service for minutes under more than it can do, while its processes end and die; all of it `soak`.

SHOTLINE_SOAK_MINUTES says how long the service is kept busy: 10 where nothing is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.support.services import Service, serving

pytestmark = pytest.mark.soak

MINUTES = float(os.environ.get("SHOTLINE_SOAK_MINUTES", "10"))
CLIENTS = 8


@dataclass(frozen=True)
class Told:
    """How one request ended: when, after how long, with which status and headers, and the fields of an error."""

    at: float
    seconds: float
    status: int
    retry_after: str | None
    fields: frozenset[str]


@pytest.fixture(scope="module")
def service(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The Bento of `trained` behind two edges."""
    folder = tmp_path_factory.mktemp("loaded")
    shutil.copytree(trained / "models/bento", folder / "bento")
    with serving(folder / "bento", folder, Path(sys.executable).parent, {"SHOTLINE_WORKERS": "2"}) as running:
        yield running


@pytest.fixture(scope="module")
def photo(photo_folder: Path) -> bytes:
    return next((photo_folder / "train").rglob("*.jpg")).read_bytes()


async def send(session: aiohttp.ClientSession, base: str, photo: bytes) -> Told:
    begun = time.monotonic()
    form = aiohttp.FormData()
    form.add_field("images", photo, filename="a.jpg")
    async with session.post(f"{base}/classify", data=form) as answer:
        content = json.loads(await answer.read())
    now = time.monotonic()
    fields = frozenset(content) if isinstance(content, dict) else frozenset()
    return Told(now, now - begun, answer.status, answer.headers.get("retry-after"), fields)


async def clients(base: str, photo: bytes, until: Callable[[], bool], number: int = CLIENTS) -> list[Told]:
    """So many clients, each of which sends a photo, waits for the answer and sends the next."""
    told: list[Told] = []

    async def client() -> None:
        while not until():
            told.append(await send(session, base, photo))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client() for _ in range(number)))
    return told


async def offered(base: str, photo: bytes, rate: float, seconds: float) -> list[Told]:
    """A request every 1/rate seconds, whether or not the ones before are answered."""
    begun = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        tasks = []
        while (late := time.monotonic() - begun) < seconds:
            while len(tasks) < late * rate:
                tasks.append(group.create_task(send(session, base, photo)))
            await asyncio.sleep(1 / rate)
    return [task.result() for task in tasks]


def tell(line: str) -> None:
    """What was measured; `pytest -s` shows it."""
    sys.stdout.write(f"{line}\n")


def for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def edges(service: Service) -> list[psutil.Process]:
    """The processes that speak with clients."""
    found = []
    for process in psutil.Process(service.process).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended just now
            command = process.cmdline()
            if "--service-name" in command and command[command.index("--service-name") + 1] == "shotline":
                found.append(process)
    return found


def under_load(service: Service, photo: bytes, story: Callable[[], Awaitable[None]]) -> list[Told]:
    """What clients are told while the story happens."""

    async def both() -> list[Told]:
        over = False
        asking = asyncio.create_task(clients(service.base, photo, lambda: over))
        try:
            await story()
        finally:
            over = True
        return await asking

    return asyncio.run(both())


async def until(true: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_a_rolling_restart_of_two_workers_loses_no_request(service: Service, photo: bytes) -> None:
    before = edges(service)

    def new_ones_have_started(number: int) -> bool:
        started = service.log().count("shotline initialized")
        return len(edges(service)) == 2 and started >= 2 + number

    async def story() -> None:
        for number, process in enumerate(before, 1):
            process.send_signal(signal.SIGTERM)
            await until(lambda number=number: new_ones_have_started(number), 60)  # type: ignore[misc]
            await asyncio.sleep(1)

    told = under_load(service, photo, story)

    assert not {process.pid for process in before} & {process.pid for process in edges(service)}
    assert Counter(each.status for each in told) == {200: len(told)}
    assert len(told) > 20


def test_a_classifier_that_is_killed_under_load_is_back_and_what_fails_is_told(service: Service, photo: bytes) -> None:
    """It is back after the seconds that it takes to start, and one; they are some ten on a machine that does nothing else."""
    killed: list[float] = []

    async def story() -> None:
        await asyncio.sleep(2)
        process = service.classifier_process()
        begun = process.create_time()
        killed.append(time.monotonic())
        process.kill()
        await until(lambda: _is_new(service, begun), 5)
        await until(lambda: service.log().count("classifier initialized") == 2, 120)
        await asyncio.sleep(3)

    told = under_load(service, photo, story)

    back = min(each.at for each in told if each.status == 200 and each.at - each.seconds > killed[0] + 1)
    tell(f"answers again {back - killed[0]:.1f} s after the kill; {Counter(each.status for each in told)}")
    for each in told:
        assert each.status in (200, 503, 504)
        assert each.status == 200 or each.fields == {"code", "message", "remedy"}
    assert told[-1].status == 200


def _is_new(service: Service, begun: float) -> bool:
    try:
        return service.classifier_process().create_time() != begun
    except (AssertionError, psutil.Error):
        return False


def test_long_at_nine_tenths_of_what_it_can_then_at_twice_it(service: Service, photo: bytes) -> None:
    processes = [psutil.Process(service.process), *psutil.Process(service.process).children(recursive=True)]
    most = asyncio.run(clients(service.base, photo, for_seconds(10), 32))
    capacity = len(most) / 10
    held: list[int] = []

    async def watched(load: Awaitable[list[Told]]) -> list[Told]:
        async def watch() -> None:
            while True:
                held.append(sum(each.memory_info().rss for each in processes))
                await asyncio.sleep(1)

        watching = asyncio.create_task(watch())
        try:
            return await load
        finally:
            watching.cancel()

    usual = asyncio.run(watched(offered(service.base, photo, 0.9 * capacity, 60 * MINUTES)))
    too_much = asyncio.run(offered(service.base, photo, 2 * capacity, 12 * MINUTES))
    time.sleep(5)
    after = asyncio.run(clients(service.base, photo, for_seconds(3), 1))

    quarter = len(held) // 4
    grown = statistics.median(held[-quarter:]) / statistics.median(held[quarter : 2 * quarter])
    p50 = statistics.median(each.seconds for each in usual)
    statuses = Counter(each.status for each in too_much)
    tell(f"{capacity:.0f} photos a second; p50 {1000 * p50:.0f} ms at 90 %, memory x {grown:.3f}; at 200 % {statuses}")
    assert {each.status for each in usual} == {200}
    assert grown < 1.05
    assert set(statuses) <= {200, 429, 503}
    assert all(each.retry_after for each in too_much if each.status != 200)
    assert {each.status for each in after} == {200}
    assert statistics.median(each.seconds for each in after) < max(2 * p50, 0.5)
