"""The report and a comparison in a real browser, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artefacts import answers_file, read_answers
from components.report import compare, write_comparison, write_report
from components.workspace import Workspace


@pytest.mark.browser
def test_pages_are_read_and_printed_without_a_network(measured: Workspace, chromium: str, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    rows = read_answers(answers_file(measured.reports).read_text(encoding="utf-8"), on="answers.csv")
    write_comparison(tmp_path / "c.html", compare(rows, rows[::-1]), measured.root)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 390, "height": 844}).new_page()
        page.on(
            "request", lambda asked: None if asked.url.startswith(("file:", "data:")) else complaints.append(asked.url)
        )
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for path in (write_report(measured), tmp_path / "c.html"):
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 390  # tables scroll, the page does not
            found = Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found] == []
        page.goto(write_report(measured).as_uri())
        shown = page.locator("#wrongs > li:not([hidden])")
        n_all = shown.count()
        chosen = page.locator("#class option").nth(1).inner_text()
        page.select_option("#class", chosen)
        assert 0 < shown.count() < n_all
        assert all(chosen in text for text in shown.all_inner_texts())
        assert page.pdf().startswith(b"%PDF")
        browser.close()
    assert complaints == []
