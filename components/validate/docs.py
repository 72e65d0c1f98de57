"""Data Docs that open without a network: an overview of ours, and Great Expectations' own pages made to stand alone.

Great Expectations' pages load fourteen scripts and styles and a logo from other machines, and its index is drawn by
one of those scripts. Here the pages keep their text and tables and lose everything that would be fetched or run.
"""

import html
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from components.files import write_text
from components.look import look_css
from components.validate.expectations import ExpectationResult, Suite, shown

__all__ = ["standing_alone", "write_docs"]

_STYLE = Path(__file__).with_name("docs.css")
_ROWS_SHOWN = 25
_TITLES = {"photos": "Photos", "files": "Files", "sample": "Drawn photos", "classes": "Classes"}
_RANK = {"critical": 0, "bad": 1, "warning": 2}


def write_docs(
    folder: Path, suites: Sequence[Suite], *, photos: int, quarantine: pa.Table, classes: pd.DataFrame
) -> None:
    """Write `index.html` and a page per suite; nothing in them is fetched, and nothing in them tells the time.

    Args:
        folder: where to; made if need be.
        suites: what came of the checks.
        photos: how many can be used, drawn or not.
        quarantine: files that do not.
        classes: `frames.classes_frame`.
    """
    style = look_css() + _STYLE.read_text(encoding="utf-8")
    for suite in suites:
        page = standing_alone(_own_page(suite), style, title=f"Great Expectations: {_TITLES[suite.name]}")
        write_text(folder / f"{suite.name}.html", page)
    write_text(folder / "index.html", _overview(suites, style, photos, quarantine, classes))


def _own_page(suite: Suite) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    page: str = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(suite.result))
    return page


def _overview(suites: Sequence[Suite], style: str, photos: int, quarantine: pa.Table, classes: pd.DataFrame) -> str:
    answers = [answer for suite in suites for answer in suite.answers]
    failed = sorted((a for a in answers if a.passed is False), key=lambda answer: _RANK[answer.check.severity])
    stops = any(answer.check.severity == "critical" for answer in failed)
    verdict = "The run stops here" if stops else "The photos can be trained on"
    n_passed = sum(answer.passed is True for answer in answers)
    parts = [
        f'<h1 class="{"stop" if stops else "go"}">{verdict}</h1>',
        f"<p>{_what_goes_on(photos, classes, stops)}, {quarantine.num_rows:,} files are in quarantine. "
        f"Of {len(answers)} checks {n_passed} hold, {len(failed)} do not, {len(answers) - n_passed - len(failed)} do not "
        "apply.</p>",
    ]
    if failed:
        parts += ["<h2>What does not hold</h2>", *(_failed(answer) for answer in failed)]
    parts += ["<h2>Quarantine</h2>", _quarantine(quarantine)]
    parts += ["<h2>Classes</h2>", _classes(classes)]
    parts += ["<h2>All checks</h2>", _checks(answers)]
    links = " · ".join(f'<a href="{suite.name}.html">{_TITLES[suite.name]}</a>' for suite in suites)
    parts.append(f"<p>Great Expectations' own pages: {links}</p>")
    return _page("Shotline: the photos", style, "\n".join(parts))


def _what_goes_on(photos: int, classes: pd.DataFrame, stops: bool) -> str:
    """How many photos of how many classes are drawn, as the table of classes adds up, and of how many that can be used."""
    drawn = int(classes[["support", "validation", "query"]].to_numpy().sum())
    verb = "would go on" if stops else "go on"
    return f"{drawn:,} photos of {len(classes)} classes {verb}, drawn from {photos:,} that can be used"


def _failed(answer: ExpectationResult) -> str:
    check, failing = answer.check, answer.failing
    meaning = {"critical": "stops the run", "bad": "quarantined", "warning": "reported"}[check.severity]
    count = f"{len(failing):,} of {answer.n_rows:,}: " if failing else ""
    return (
        f'<section class="{check.severity}"><h3><span class="tag">{check.severity}</span> It does not hold that '
        f"{html.escape(check.title)}</h3><p>{count}{meaning}. What to do: {html.escape(check.remedy)}.</p>"
        f"{_rows(failing)}</section>"
    )


def _rows(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    cells = [[shown(value) for value in row.values()] for row in rows[:_ROWS_SHOWN]]
    more = len(rows) - len(cells)
    return _table([title.replace("_", " ") for title in rows[0]], cells) + (
        f"<p>… and {more:,} more in the verdict</p>" if more > 0 else ""
    )


def _quarantine(quarantine: pa.Table) -> str:
    if quarantine.num_rows == 0:
        return "<p>Empty: every file is used.</p>"
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in quarantine.to_pylist():
        examples[row["reason"]].append(row)
    counts = Counter({reason: len(rows) for reason, rows in examples.items()})
    return _table(
        ["reason", "files", "for example", "what was found"],
        [[reason, n, examples[reason][0]["path"], examples[reason][0]["detail"]] for reason, n in counts.most_common()],
    )


def _classes(classes: pd.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(str(row['class']))}</td><td>{html.escape(str(row['name']))}</td>"
        f'<td class="bar"><meter min="0" max="1" value="{row["balance"]:.3f}"></meter> {row["support"]}</td>'
        f"<td>{row['validation']}</td><td>{row['query']}</td></tr>"
        for row in classes.to_dict("records")
    )
    head = "".join(f"<th>{title}</th>" for title in ("class", "in words", "support", "validation", "query"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _checks(answers: Sequence[ExpectationResult]) -> str:
    words = {True: "holds", False: "does not hold", None: "does not apply"}
    return _table(
        ["check", "what is expected", "severity", "", "failing"],
        [
            [
                answer.check.code,
                answer.check.title,
                answer.check.severity,
                words[answer.passed] + (f": {answer.check.skipped}" if answer.check.skipped else ""),
                len(answer.failing) if answer.passed is not None else "",
            ]
            for answer in answers
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{html.escape(str(cell))}</td>' for cell in row)}</tr>" for row in rows)
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in head)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{cells}</tbody></table>"


def _page(title: str, style: str, body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def standing_alone(page: str, style: str, *, title: str) -> str:
    """A page of Great Expectations with nothing left that is fetched or run, and with a style that it carries.

    Args:
        page: its HTML.
        style: CSS.
        title: of the page.
    """
    keeper = _Keeper()
    keeper.feed(page)
    keeper.close()
    back = '<p><a href="index.html">← all checks</a></p>'
    return _page(title, style, back + "".join(keeper.kept))


class _Keeper(HTMLParser):
    """Keeps a page's text, tables and layout; drops what is fetched, run or clicked, and what only one run can say."""

    _DROPPED = frozenset({"head", "script", "style", "nav", "footer", "button", "label", "form", "iframe", "svg"})
    _DROPPED_CLASSES = frozenset({"collapse", "card-header", "sticky"})  # controls, and what they would unfold
    _WITHOUT_END = frozenset({"link", "meta", "img", "input", "br", "hr", "col", "wbr"})
    _KEPT_WITHOUT_END = frozenset({"br", "hr", "col", "wbr"})
    _KEPT_ATTRIBUTES = frozenset({"class", "colspan", "rowspan"})
    _UNWRAPPED = frozenset({"html", "body", "a"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self._dropping: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        unwanted = (
            tag in self._DROPPED
            or ("data-toggle" in attributes and tag == "a")
            or not self._DROPPED_CLASSES.isdisjoint((attributes.get("class") or "").split())
        )
        if self._dropping or unwanted:
            if tag not in self._WITHOUT_END:
                self._dropping.append(tag)
        elif tag not in self._UNWRAPPED and (tag not in self._WITHOUT_END or tag in self._KEPT_WITHOUT_END):
            shown = "".join(
                f' {name}="{html.escape(value or "")}"' for name, value in attrs if name in self._KEPT_ATTRIBUTES
            )
            self.kept.append(f"<{tag}{shown}>")

    def handle_endtag(self, tag: str) -> None:
        if self._dropping:
            if tag == self._dropping[-1]:
                self._dropping.pop()
        elif tag not in self._UNWRAPPED and tag not in self._WITHOUT_END:
            self.kept.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._dropping:
            # Indentation of a template engine, and a name that frames in memory do not have.
            self.kept.append(re.sub(r"\s+", " ", data).replace("Data asset: None", ""))

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")
