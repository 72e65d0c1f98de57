"""Great Expectations' own pages made to open without a network.

They load fourteen scripts and styles and a logo from other machines. This module keeps their text and tables and
removes everything that would be fetched or run.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from markupsafe import Markup

__all__ = ["standing_alone"]


def standing_alone(page: str) -> Markup:
    """The body of a page of Great Expectations, with nothing left that is fetched or run.

    Args:
        page: its HTML.
    """
    keeper = _Keeper()
    keeper.feed(page)
    keeper.close()
    return Markup("".join(keeper.kept))


class _Keeper(HTMLParser):
    """Keeps a page's text, tables and layout; drops what is fetched, run or clicked, and details of a single run."""

    _DROPPED = frozenset({"head", "script", "style", "nav", "footer", "button", "label", "form", "iframe", "svg"})
    _DROPPED_CLASSES = frozenset({"collapse", "card-header", "sticky"})  # controls, and the parts that they unfold
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
