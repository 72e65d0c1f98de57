"""The circle in a real browser: unknown to the service, kept, reviewed, named, live, answered; and undone bit for bit.

A wrong label among the trained photos is put right on the same tab, and taken back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest

from components.ingest import read_label_words
from components.pool import Pool
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.served_workspace import CHANGE_MS, serving

pytestmark = [pytest.mark.browser, pytest.mark.soak]


def test_what_the_service_did_not_know_is_named_and_live_and_can_be_taken_back(
    make_workspace: Callable[[], Path],
    run_command: Callable[..., CompletedProcess[str]],
    tmp_path: Path,
    chromium: str,
) -> None:
    from playwright.sync_api import sync_playwright

    root = make_workspace()
    for name, hue in {"red": 0, "green": 85, "blue": 170}.items():
        for number in range(4):
            draw_photo(tmp_path / "labelled" / name / f"{number}.jpg", 10 * hue + number, hue)
    draw_photo(tmp_path / "labelled/red/green-one.jpg", 899, 85)
    for number in range(4):
        draw_photo(tmp_path / "odd" / f"{number}.jpg", 9000 + number, 215)
    Workspace(root).set_parameters({"classifier.heads": ["zero_shot", "map_lr"], "pool.keep_margin": 1.0})
    run_command("shotline", "train", tmp_path / "labelled", "--plain", cwd=root, timeout_s=600)

    with serving(root, tmp_path, "--keep") as (base, log), sync_playwright() as playwright:

        def asked(number: int) -> dict[str, Any]:
            content = (tmp_path / "odd" / f"{number}.jpg").read_bytes()
            answer = httpx.post(f"{base}/classify", files={"images": ("odd.jpg", content)}, timeout=120)
            [found] = answer.raise_for_status().json()
            return dict(found)

        before = asked(3)
        for number in range(3):
            asked(number)
        assert {each.origin for each in Pool(Workspace(root).pool).photos()} == {"service"}

        link = re.search(r"page: (\S+)", log.read_text())
        assert link is not None
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.goto(link[1])
        page.get_by_role("tab", name="Review").click()
        page.wait_for_selector(".review-classes button", timeout=CHANGE_MS)

        a_label_is_put_right_and_taken_back(page, root)

        if page.locator("#alike").count():
            page.check("#alike")
        page.fill("#review-name", "violet thing")
        page.click("text=It is this, a new class")
        note = page.locator("#panel section.note.good, #panel .note.bad").first
        note.wait_for(timeout=CHANGE_MS)
        if "gate" in note.inner_text().lower():
            page.click("text=Make it live all the same")
            page.wait_for_selector("#panel section.note.good", timeout=CHANGE_MS)

        assert any(each["class"] == "violet thing" for each in asked(3)["top"])

        page.click("#panel section.note.good >> text=Undo")
        page.wait_for_selector("text=Undone", timeout=CHANGE_MS)
        assert asked(3) == before


def a_label_is_put_right_and_taken_back(page: Any, root: Path) -> None:
    """The photo of a green thing among the red ones, on the Review tab."""
    asked_about = page.locator(".label-checks li", has_text="labelled red")
    asked_about.first.get_by_role("button", name="It is green").click()
    put_right = page.locator(".label-checks li", has_text="Now green")
    put_right.wait_for(timeout=CHANGE_MS)
    assert [(word.label, word.to) for word in read_label_words(Workspace(root).raw)] == [("red", "green")]
    put_right.get_by_role("button", name="Undo").click()
    put_right.wait_for(state="detached", timeout=CHANGE_MS)
    assert read_label_words(Workspace(root).raw)[-1].action == "undo"
