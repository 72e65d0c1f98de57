"""Markdown tables: read from a script's output, written into a document, held to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Table", "filled", "find_tables", "references"]

_RULE = re.compile(r"\|(\s*:?-+:?\s*\|)+\s*")
_MARKED = re.compile(r"<!-- result (?P<name>[\w-]+) (?P<number>\d+) -->\n(?P<table>(?:\|.*\n)*)")


@dataclass(frozen=True)
class Table:
    """A table's lines as cells, text as it is shown.

    Attributes:
        header: titles of the columns.
        right: whether each column's figures stand to the right.
        rows: cells, as many as there are columns.
    """

    header: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def markdown(self) -> str:
        """The table as lines of Markdown, with a line's end after the last."""
        rule = "|" + "|".join("---:" if right else "---" for right in self.right) + "|\n"
        return _line(self.header) + rule + "".join(map(_line, self.rows))


def find_tables(text: str) -> list[Table]:
    """The Markdown tables of a text, in order; other lines are passed over."""
    lines, found = text.splitlines(), []
    for place, line in enumerate(lines):
        if place and _RULE.fullmatch(line) and lines[place - 1].startswith("|"):
            rows = []
            for row in lines[place + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            right = tuple(cell.endswith(":") for cell in _cells(line))
            found.append(Table(_cells(lines[place - 1]), right, tuple(rows)))
    return found


def filled(document: str, table: Callable[[str, int], Table]) -> str:
    """The document with each table that follows `<!-- result NAME NUMBER -->` made anew.

    Args:
        document: Markdown.
        table: gives the table of a result by its name and its number, from 1.
    """
    return _MARKED.sub(
        lambda mark: (
            f"<!-- result {mark['name']} {mark['number']} -->\n" + table(mark["name"], int(mark["number"])).markdown
        ),
        document,
    )


def references(document: str) -> Iterator[tuple[str, int]]:
    """Name and number of each table that the document takes from a result."""
    for mark in _MARKED.finditer(document):
        yield mark["name"], int(mark["number"])


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1]))


def _line(cells: tuple[str, ...]) -> str:
    text = "".join(f" {escaped} |" if (escaped := cell.replace("|", r"\|")) else " |" for cell in cells)
    return f"|{text}\n"
