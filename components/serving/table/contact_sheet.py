"""A page of thumbnails by class: one HTML file with the pictures inside, readable without a network."""

from __future__ import annotations

import base64
import html
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from components.files import atomic_path
from components.ingest import Limits, PhotoError, load_image
from components.serving.table.named import NamedPhoto
from components.serving.table.rows import Row, is_unsure

__all__ = ["ContactSheet"]

_SIDE_PX = 144
_QUALITY = 70
_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; }
body { margin: 1.5rem; }
nav a { margin-right: .75rem; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(144px, 1fr)); gap: .75rem; padding: 0; }
.photos li { list-style: none; font-size: .8rem; overflow-wrap: anywhere; }
.photos img { width: 144px; height: 144px; object-fit: contain; background: #8882; display: block; }
.unsure { outline: 2px solid #c60; outline-offset: 3px; }
"""


class ContactSheet:
    """Collects thumbnails beside the page that is to be written, so that memory does not grow with the photos.

    Args:
        path: the page; its thumbnails wait in `PATH.part` until it is written, also for a run that goes on later.
        limits: what a photo may be.
        anew: forget thumbnails that an earlier run left.
    """

    def __init__(self, path: Path, limits: Limits, *, anew: bool = False) -> None:
        self._path, self._limits = path, limits
        self._part = path.with_name(f"{path.name}.part")
        self._there: set[str] = set()
        if anew:
            self._part.unlink(missing_ok=True)
        if self._part.is_file():
            whole = [line for line in self._part.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")]
            self._there = {json.loads(line)["name"] for line in whole}
            self._part.write_text("".join(whole), encoding="utf-8")
        self._lines: IO[str] = self._part.open("a", encoding="utf-8")

    def add(self, photo: NamedPhoto, row: Row) -> None:
        """Take a photo's thumbnail."""
        if photo.name in self._there:
            return
        picture = None if row["error"] else self._thumbnail(photo)
        under = "no answer" if row["error"] else "unknown" if row["abstained"] else row["class"]
        told = row["error"] or f"{row['class']} {row['probability']:.0%}"
        entry = {"name": photo.name, "under": under, "told": told, "unsure": is_unsure(row), "picture": picture}
        self._lines.write(json.dumps(entry) + "\n")
        self._there.add(photo.name)

    def close(self) -> None:
        """Stop writing; what was taken waits for a run that goes on."""
        self._lines.close()

    def write(self, title: str) -> None:
        """Write the page."""
        self.close()
        places: dict[str, list[int]] = defaultdict(list)
        with self._part.open("rb") as lines:
            at = 0
            for line in lines:
                places[json.loads(line)["under"]].append(at)
                at += len(line)
        apart = ("unknown", "no answer")
        order = sorted(places, key=lambda name: (name in apart, apart.index(name) if name in apart else 0, name))
        with atomic_path(self._path) as beside, beside.open("w", encoding="utf-8") as page, self._part.open("rb") as of:
            page.writelines(_head(title, [(name, len(places[name])) for name in order]))
            for number, name in enumerate(order):
                page.write(f'<h2 id="c{number}">{html.escape(name)} ({len(places[name]):,})</h2><ul class="photos">')
                for place in places[name]:
                    of.seek(place)
                    page.write(_entry(json.loads(of.readline())))
                page.write("</ul>")
            page.write("</main></html>")
        self._part.unlink()

    def _thumbnail(self, photo: NamedPhoto) -> str | None:
        try:
            image = load_image(photo.load(), self._limits, name=photo.name)
        except PhotoError:  # changed since it was answered
            return None
        image.thumbnail((_SIDE_PX, _SIDE_PX))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=_QUALITY)
        return base64.b64encode(file.getvalue()).decode()


def _head(title: str, classes: Iterable[tuple[str, int]]) -> Iterable[str]:
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
    yield f"<main><h1>{html.escape(title)}</h1><p>Photos with a frame want a person's look.</p><nav>"
    for number, (name, count) in enumerate(classes):
        yield f'<a href="#c{number}">{html.escape(name)} ({count:,})</a>'
    yield "</nav>"


def _entry(entry: dict[str, str | bool | None]) -> str:
    name, told = html.escape(str(entry["name"])), html.escape(str(entry["told"]))
    unsure = ' class="unsure"' if entry["unsure"] else ""
    picture = (
        f'<img loading="lazy" alt="{name}" src="data:image/jpeg;base64,{entry["picture"]}">' if entry["picture"] else ""
    )
    return f"<li{unsure}>{picture}{told}<br>{name}</li>"
