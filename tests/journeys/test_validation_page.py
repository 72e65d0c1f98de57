"""The validation pages, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.browser
def test_the_pages_are_read_without_a_network(trained: Path, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    asked_for: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked_for.append(request.url))
        page.goto((trained / "reports/validation/index.html").as_uri())
        assert page.locator("h1").inner_text() == "The photos can be trained on."
        assert page.locator("td", has_text="violet").count() > 0
        links = [str(link.get_attribute("href")) for link in page.locator("a").all()]
        for link in links:
            if link.startswith("#"):
                assert page.locator(link).count() == 1
        for link in links:
            if link.startswith("#"):
                continue
            page.goto((trained / "reports/validation" / link).as_uri())
            assert page.locator("body").inner_text().strip()
        browser.close()

    assert len(links) >= 4
    assert [url for url in asked_for if not url.startswith(("file:", "data:"))] == []
