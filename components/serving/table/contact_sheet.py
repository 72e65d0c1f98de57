"""A page of thumbnails by class: one HTML file with the pictures inside, readable without a network."""

from __future__ import annotations

import base64
import html
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from components.files import atomic_path
from components.ingest import Limits, PhotoError, load_image
from components.look import look_css
from components.serving.table.named import NamedPhoto
from components.serving.table.rows import Row, is_unsure
from components.wording import counted

__all__ = ["write_contact_sheet"]

_SIDE_PX = 160
_QUALITY = 70
_AT_ONCE = 64
_UNKNOWN, _WITHOUT = "unknown", "no answer"
_STYLE = """
nav a { margin-right: 1rem; white-space: nowrap; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: var(--space);
  padding: 0; max-width: none; }
.sheet li { list-style: none; font-size: var(--small); overflow-wrap: anywhere; }
.sheet img { width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--sunken);
  border: 3px solid transparent; border-radius: var(--radius); }
.sheet .unsure img { border-color: var(--warn); }
.sheet small { color: var(--muted); }
"""


def write_contact_sheet(
    path: Path,
    title: str,
    rows: Iterable[Row],
    photos: Mapping[str, NamedPhoto],
    limits: Limits,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write the page: a heading per class, most photos first, then the unknown ones and those without an answer.

    Args:
        path: of the page.
        title: its heading.
        rows: of the photos to show.
        photos: by the name in their rows; one that is not there any more is shown by its name alone.
        limits: limits of a photo's size.
        progress: called with (photos done, photos in all).
    """
    by_class: dict[str, list[Row]] = defaultdict(list)
    apart: dict[str, list[Row]] = {_UNKNOWN: [], _WITHOUT: []}
    for row in rows:
        if row["error"] or row["abstained"]:
            apart[_WITHOUT if row["error"] else _UNKNOWN].append(row)
        else:
            by_class[row["class"]].append(row)
    parts = sorted(by_class.items(), key=lambda part: (-len(part[1]), part[0]))
    parts += [part for part in apart.items() if part[1]]
    total, done = sum(len(rows) for _, rows in parts), 0
    with atomic_path(path) as beside, beside.open("w", encoding="utf-8") as page:
        page.writelines(_head(title, parts))
        for number, (name, members) in enumerate(parts):
            page.write(f'<h2 id="c{number}">{html.escape(name)} <small>{len(members):,}</small></h2><ul class="sheet">')
            for entry in _entries(members, photos, limits):
                page.write(entry)
                done += 1
                progress(done, total)
            page.write("</ul>\n")
        page.write("</main></html>\n")


def _head(title: str, parts: list[tuple[str, list[Row]]]) -> Iterator[str]:
    yield f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<style>{look_css()}{_STYLE}</style>\n<main><h1>{html.escape(title)}</h1>\n"
    unsure = sum(is_unsure(row) and not row["error"] for _, rows in parts for row in rows)
    yield f"<p>{counted(sum(len(rows) for _, rows in parts), 'photo')}. "
    yield f"Framed: {counted(unsure, 'answer')} that a person should look at.</p>\n<nav>"
    for number, (name, rows) in enumerate(parts):
        yield f'<a href="#c{number}">{html.escape(name)} {len(rows):,}</a> '
    yield "</nav>\n"


def _entries(rows: list[Row], photos: Mapping[str, NamedPhoto], limits: Limits) -> Iterator[str]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in range(0, len(rows), _AT_ONCE):  # not all at once: waiting thumbnails take memory
            yield from pool.map(partial(_entry, photos=photos, limits=limits), rows[start : start + _AT_ONCE])


def _entry(row: Row, *, photos: Mapping[str, NamedPhoto], limits: Limits) -> str:
    name = html.escape(row["path"])
    picture = None if row["error"] or row["path"] not in photos else _thumbnail(photos[row["path"]], limits)
    shown = f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{picture}">' if picture else ""
    if row["error"]:
        told = html.escape(row["error"])
    else:
        likely = " or ".join(row["likely"])
        told = f"{row['probability']:.0%} " + html.escape(likely if is_unsure(row) else row["class"])
    if row["flaw"]:
        told += "; " + html.escape(row["flaw"])
    css = ' class="unsure"' if not row["error"] and is_unsure(row) else ""
    return f"<li{css}>{shown}{told}<br><small>{name}</small></li>\n"


def _thumbnail(photo: NamedPhoto, limits: Limits) -> str | None:
    try:
        image = load_image(photo.load(), limits, name=photo.name)
    except PhotoError:  # changed since it was answered
        return None
    image.thumbnail((_SIDE_PX, _SIDE_PX))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return base64.b64encode(file.getvalue()).decode()
