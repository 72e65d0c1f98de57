"""The pages open without a network, run nothing, and show what was found."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from components.report import write_validation_pages
from components.report.page import render
from components.report.standing_alone import standing_alone
from components.validate import shown
from tests.support.photo_tables import check, two_classes

PAGES = ["classes.html", "files.html", "index.html", "photos.html", "sample.html"]
STRANGE = ["<script>alert(1)</script>", "$5 {off} 50%", '"quoted" & <img src=x onerror=alert(1)>', "缺陷 🔩"]


class Page(HTMLParser):
    """What a browser would fetch or run, and the text it would show."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.run: list[str] = []
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "form"):
            self.run.append(tag)
        if tag in ("img", "base") or (tag == "link" and dict(attrs) != {"rel": "icon", "href": "data:,"}):
            self.fetched.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "action") or (
                name == "href" and not re.fullmatch(r"\w+\.html|#\w+|data:,", value or "")
            ):
                self.fetched.append(f"{name}={value}")
            if name.startswith("on"):
                self.run.append(name)
            if name == "style" and "url" in (value or ""):
                self.fetched.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos, folder = two_classes(), tmp_path_factory.mktemp("pages") / "docs"
    for number, name in enumerate(STRANGE):
        photos.add(f"train/crack/{name}.png", "crack", "support", blur=0.9, name=name if number else None)
        photos.add(f"train/{name}/1.png", name, "support", width=20)
        photos.refuse(f"train/{name}/bad.png", name, "truncated")
    verdict = check(photos, shots=8)
    write_validation_pages(folder, verdict)
    first = {page.name: page.read_text() for page in folder.iterdir()}
    write_validation_pages(folder, check(photos, shots=8))
    assert {page.name: page.read_text() for page in folder.iterdir()} == first  # the same photos, the same pages
    assert not any(str(folder) in page for page in first.values())
    return folder


def test_nothing_is_fetched_and_nothing_runs(docs: Path) -> None:
    assert sorted(page.name for page in docs.iterdir()) == PAGES
    for name in PAGES:
        page = Page(docs / name)
        assert (page.fetched, page.run) == ([], []), name
        style = re.findall(r"<style>(.*?)</style>", (docs / name).read_text(), re.S)
        assert len(style) == 1
        assert "url(" not in style[0]
        assert "@import" not in style[0]


def test_the_overview_shows_what_failed_where_and_what_to_do(docs: Path) -> None:
    text = Page(docs / "index.html").text
    assert "The run stops here" in text  # a class has no name
    assert "would go on, drawn from" in text
    for name in STRANGE:
        assert f"train/crack/{name}.png" in text
        assert f"train/{name}/1.png" in text
    assert "take the photo again, or raise validate.max_blur" in text
    assert "its shorter side has 20 pixels, fewer than 32" in text


def test_great_expectations_own_pages_keep_their_findings(docs: Path) -> None:
    text = Page(docs / "photos.html").text
    assert "no photo is blurred more than 0.6" in text
    assert "4 unexpected values found" in text
    assert "newsletter" not in text
    assert "20" in text


def test_good_photos_have_a_calm_page(tmp_path: Path) -> None:
    write_validation_pages(tmp_path / "docs", check(two_classes(), shots=0))
    text = Page(tmp_path / "docs" / "index.html").text
    assert "does not apply: all photos were asked for" in text
    assert "The photos can be trained on" in text
    assert "What does not hold" not in text
    assert "every file is used" in text


def test_what_would_be_fetched_or_run_is_taken_out_and_the_rest_stays(tmp_path: Path) -> None:
    page = (
        '<html><head><link rel="stylesheet" href="https://x/y.css"><script src="https://x/y.js"></script></head><body>'
        '<nav><img src="https://x/logo.png?id=7"></nav><p class="lead" onclick="go()" style="background:url(//x)">kept &lt;'
        '&#65;</p><a href="https://x">words</a><br><table><tr><td colspan="2">cell</td></tr></table>'
        "<script>track()</script><button>press<i>!</i></button></body></html>"
    )
    (tmp_path / "page.html").write_text(render("expectations.html", title="<T>", content=standing_alone(page)))
    text = (tmp_path / "page.html").read_text()
    assert '<p class="lead">kept &lt;&#65;</p>words<br><table><tr><td colspan="2">cell</td></tr></table>' in text
    assert "track()" not in text
    assert "press" not in text
    assert "<title>&lt;T&gt;</title>" in text
    parsed = Page(tmp_path / "page.html")
    assert (parsed.fetched, parsed.run) == ([], [])


def test_figures_are_as_people_read_them() -> None:
    assert [shown(value) for value in (1 / 3000, -0.0, 0.25, 12.5, 45000.0, 20, "a.png", None)] == [
        "0.000333",
        "0",
        "0.25",
        "12.5",
        "45000.0",
        "20",
        "a.png",
        "None",
    ]
