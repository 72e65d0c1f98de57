"""Several services behind one pointer: Bentos in processes of their own that share one workspace's folder."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import shotline
from tests.conftest import draw_photo
from tests.support.served_workspace import TOKEN
from tests.support.services import serving

pytestmark = pytest.mark.soak


def test_services_on_one_folder_follow_one_pointer_and_lose_no_change_of_each_other(
    copy_of_trained: Path, photo_folder: Path, tmp_path: Path
) -> None:
    variables = {"SHOTLINE_WORKSPACE": str(copy_of_trained), "SHOTLINE_ADMIN_TOKEN": TOKEN}
    photo = next((photo_folder / "train").rglob("*.jpg"))
    new: dict[str, list[Path]] = {"teal": [], "olive": []}
    for hue, (name, files) in zip((128, 45), new.items(), strict=True):
        for number in range(4):
            files.append(tmp_path / name / f"{number}.jpg")
            draw_photo(files[-1], 9000 + hue + number, hue=hue)
    over = threading.Event()
    answered: dict[str, list[str]] = {}

    def ask(base: str) -> None:
        with shotline.Client(base, retries=0) as client:
            while not over.is_set():
                [answer] = client.classify(photo)
                answered.setdefault(base, []).append(answer.bank)

    with ExitStack() as stack:
        bases = []
        for place in ("one", "two"):
            (tmp_path / place).mkdir()
            bento = copy_of_trained / "models/bento"
            service = stack.enter_context(serving(bento, tmp_path / place, Path(sys.executable).parent, variables))
            bases.append(service.base)
        admins = [stack.enter_context(shotline.Client(base, TOKEN)) for base in bases]
        first = {admin.classify(photo)[0].bank for admin in admins}
        pool = stack.enter_context(ThreadPoolExecutor(4))
        asking = [pool.submit(ask, base) for base in bases]
        try:
            added = [
                pool.submit(admin.add_class, name, files, force=True)
                for admin, (name, files) in zip(admins, new.items(), strict=True)
            ]
            for each in added:
                each.result()
            wait_until(lambda: all(new.keys() <= {each["class"] for each in admin.classes()} for admin in admins))
            both = [admin.classify(photo)[0].bank for admin in admins]
            admins[1].remove_class("teal")
            wait_until(lambda: all("teal" not in {each["class"] for each in admin.classes()} for admin in admins))
        finally:
            over.set()
        for each in asking:
            each.result()  # raises what a request has met

    assert len(first) == 1
    assert len(set(both)) == 1
    assert set(both) != first
    assert answered.keys() == set(bases)
    assert all(len(set(banks)) > 1 for banks in answered.values())


def wait_until(true: Callable[[], bool], within_s: float = 120) -> None:
    """Ask again until it is so."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)
