"""Drawings as SVG that stands in a page: matplotlib's lines, the page's own colours and type, readable in dark and in print.

matplotlib writes fixed colours; each of ours represents a token of `look.css` and is replaced by it. The same
content gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from components.report.confusion import Moved
from components.report.trust import Trust

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_coverage", "draw_map", "draw_matrix", "draw_moved", "draw_reliability", "draw_seconds"]

_TOKENS = {
    "ink": "#010101",
    "muted": "#020202",
    "accent": "#030303",
    "bad": "#040404",
    "before": "#050505",
    "line": "#060606",
    "surface": "#070707",
    "warn": "#080808",
}
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a class's name may be $x$
    "font.size": 10,
    "axes.edgecolor": _TOKENS["line"],
    "axes.labelcolor": _TOKENS["muted"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _TOKENS["muted"],
    "ytick.color": _TOKENS["muted"],
    "text.color": _TOKENS["ink"],
    "grid.color": _TOKENS["line"],
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}

_FILE: Any = {
    "format": "svg",
    "transparent": True,
    "bbox_inches": "tight",
    "pad_inches": 0.04,
    "metadata": {"Date": None, "Creator": None},
}


_MAP = (8.6, 6.0)  # inches
_LETTER, _LINE = 0.066, 0.145  # inches of a name's letter and line
_ROUNDS = 60


def draw_reliability(trust: Trust) -> Markup:
    """Confidence against accuracy, before and after calibration; the size of a point shows its number of photos."""
    with _Drawing("reliability", (4.2, 3.6)) as drawing:
        axes = drawing.axes
        axes.plot([0, 1], [0, 1], color=_TOKENS["line"], linewidth=1)
        largest = max((n for _, _, n in [*trust.before, *trust.after]), default=1)
        for bins, name, colour in ((trust.before, "raw scores", "before"), (trust.after, "as it answers", "accent")):
            if bins:
                x, y, n = (np.array(column, float) for column in zip(*bins, strict=True))
                axes.plot(x, y, color=_TOKENS[colour], linewidth=1.2, alpha=0.6)
                axes.scatter(x, y, s=12 + 160 * n / largest, color=_TOKENS[colour], label=name, linewidths=0)
        _shares(axes, "confidence", "right")
        axes.set_xlim(0, 1.03)
        axes.set_ylim(0, 1.03)
        _legend(axes, "upper left")
    told = "; ".join(f"confidence {100 * x:.0f} %: {100 * y:.0f} % right ({n} photos)" for x, y, n in trust.after)
    return drawing.svg(f"Confidence against the share that is right, in bins. As it answers: {told}.")


def draw_coverage(trust: Trust) -> Markup:
    """The share of right answers when only the surest photos are answered."""
    with _Drawing("coverage", (4.2, 3.6)) as drawing:
        axes = drawing.axes
        x, y = (np.array(column) for column in zip(*trust.coverage, strict=True))
        axes.plot(x, y, color=_TOKENS["accent"], linewidth=1.8)
        if trust.answered.n and trust.answered.count:
            point = trust.answered.share, trust.answered_right.share
            axes.scatter(*point, s=60, color=_TOKENS["accent"], zorder=3, linewidths=0)
            axes.annotate(
                "as it answers", point, xytext=(-6, -16), textcoords="offset points", ha="right", color=_TOKENS["ink"]
            )
        _shares(axes, "share of photos that is answered", "right, of those")
        axes.set_xlim(0, 1.03)
        low = min(0.95, float(y.min()))
        axes.set_ylim(low - 0.15 * (1 - low), 1 + 0.05 * (1 - low))
    return drawing.svg(
        f"Share that is right against share that is answered. At its threshold {100 * trust.answered.share:.0f} % are "
        f"answered, {100 * trust.answered_right.share:.0f} % of those rightly; all of them: {100 * y[-1]:.0f} %."
    )


def draw_matrix(name: str, classes: Sequence[str], shares: NDArray[np.float64], *, labelled: bool) -> Markup:
    """A confusion matrix: rows are the photos' classes, columns the answers; darker means more often."""
    n = len(classes)
    side = min(7.2, max(3.9, 2.2 + 0.19 * n)) if labelled else 3.6
    with _Drawing(f"matrix {name}", (side, side)) as drawing:
        axes = drawing.axes
        right = np.eye(n, dtype=bool)
        _cells(axes, np.where(shares > 0, 0.12 + 0.88 * shares, 0.0), np.where(right, "accent", "bad"))
        axes.set_xlim(0, n)
        axes.set_ylim(n, 0)
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks(np.arange(n) + 0.5 if labelled else [], list(classes) if labelled else [], fontsize=8)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(True)
        axes.set_xlabel("taken for" if not labelled else "taken for, in the same order")
        if not labelled:
            axes.set_ylabel("class")
    diagonal = float(shares.diagonal().mean()) if n else 0.0
    return drawing.svg(
        f"{name}: confusion of {n} classes; on average {100 * diagonal:.0f} % of a class's photos are on the diagonal. "
        "The pairs that are mistaken are listed below."
    )


def draw_moved(moved: Moved) -> Markup:
    """LDC's mean residual: how far it moves each class's logit relative to the right one's, minus the average."""
    n, values = len(moved.classes), moved.values
    largest = float(np.abs(values).max()) or 1.0
    side = min(7.2, 2.2 + 0.19 * n)
    with _Drawing("residual", (side, side)) as drawing:
        axes = drawing.axes
        _cells(axes, np.abs(values) / largest, np.where(values < 0, "accent", "bad"))
        axes.set_xlim(0, n)
        axes.set_ylim(n, 0)
        axes.set_aspect("equal")
        axes.set_xticks([])
        axes.set_yticks(np.arange(n) + 0.5, moved.classes, fontsize=8)
        axes.tick_params(length=0)
        axes.set_xlabel("the other class, in the same order")
    return drawing.svg(
        f"The residual that LDC learnt, for photos of {n} classes: in green, other classes that it pushes away more "
        f"than others; in red, less; the deepest is {largest:.1f}."
    )


def draw_map(points: dict[str, NDArray[np.float64]], centres: Sequence[tuple[str, float, float]]) -> Markup:
    """A map of embeddings: photos of the pool, those that were learnt from, those that measure, wrong ones, and the classes' names."""
    styles = {
        "without a label": ("muted", "o", 5, 0.3),
        "learnt from": ("before", "o", 10, 0.55),
        "added classes": ("warn", "D", 16, 0.8),
        "measured, right": ("accent", "o", 10, 0.55),
        "measured, wrong": ("bad", "X", 42, 0.95),
    }
    with _Drawing("map", _MAP) as drawing:
        axes = drawing.axes
        for name, (colour, marker, size, alpha) in styles.items():
            if len(points.get(name, ())):
                x, y = points[name].T
                axes.scatter(
                    x, y, s=size, marker=marker, color=_TOKENS[colour], alpha=alpha, linewidths=0, label=name, zorder=2
                )
        inch = [np.ptp(axes.get_xlim()) / _MAP[0], np.ptp(axes.get_ylim()) / _MAP[1]]
        for name, x, y in _apart(centres, inch[0] * _LETTER, inch[1] * _LINE):
            axes.text(x, y, name, fontsize=8, ha="center", va="center", zorder=4, clip_on=True)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        _legend(axes, "upper left", columns=5, above=True)
    counts = ", ".join(f"{len(rows)} {name}" for name, rows in points.items() if len(rows))
    return drawing.svg(f"Map of embeddings by their two main directions between classes: {counts}.")


def _apart(centres: Sequence[tuple[str, float, float]], letter: float, line: float) -> list[tuple[str, float, float]]:
    """Names moved up and down until none lies on another, in so many rounds; `letter` and `line` are a name's sizes."""
    places = [[x, y] for _, x, y in centres]
    halves = [len(name) * letter / 2 for name, _, _ in centres]
    for _ in range(_ROUNDS):
        moved = False
        for one, (x, y) in enumerate(places):
            for other in range(one):
                gap = line - abs(y - places[other][1])
                if gap > 1e-9 * line and abs(x - places[other][0]) < halves[one] + halves[other]:
                    up = gap / 2 if y >= places[other][1] else -gap / 2
                    y += up
                    places[one][1] = y
                    places[other][1] -= up
                    moved = True
        if not moved:
            break
    return [(name, x, y) for (name, _, _), (x, y) in zip(centres, places, strict=True)]


def draw_seconds(stages: Sequence[tuple[str, float]]) -> Markup:
    """The seconds of each stage."""
    with _Drawing("seconds", (5.2, 0.6 + 0.3 * len(stages))) as drawing:
        axes = drawing.axes
        names, seconds = [name for name, _ in stages], [value for _, value in stages]
        axes.barh(names, seconds, color=_TOKENS["accent"], height=0.6)
        axes.invert_yaxis()
        for place, value in enumerate(seconds):
            axes.text(value, place, f"  {value:.1f} s", va="center", fontsize=9)
        axes.set_xlim(0, 1.2 * max(seconds))
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
    return drawing.svg("Seconds a stage: " + ", ".join(f"{name} {value:.1f}" for name, value in stages) + ".")


class _Drawing:
    """One figure of one axes, with our settings, made into SVG when its block has ended."""

    def __init__(self, name: str, size: tuple[float, float]) -> None:
        self._name, self._size = name, size
        self._svg = ""

    def __enter__(self) -> _Drawing:
        import matplotlib
        from matplotlib.figure import Figure

        settings: Any = {**_SETTINGS, "svg.hashsalt": self._name}
        self._settings: Any = matplotlib.rc_context(settings)
        self._settings.__enter__()
        self._figure: Figure = Figure(figsize=self._size, layout="constrained")
        self.axes: Axes = self._figure.add_subplot()
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            buffer = io.StringIO()
            with warnings.catch_warnings():
                # The SVG keeps text as text, drawn by the reader's fonts, so glyphs missing in matplotlib's font do not
                # matter.
                warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
                self._figure.savefig(buffer, **_FILE)
            self._svg = buffer.getvalue()
        self._settings.__exit__(*error)

    def svg(self, told: str) -> Markup:
        """The drawing, with what a screen reader says of it."""
        text = self._svg[self._svg.index("<svg") :]
        for token, colour in _TOKENS.items():
            text = text.replace(colour, f"var(--{token})")
        text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", text)  # the page's own type
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
        text = re.sub(r"(\d\.\d\d)\d+", r"\1", text)
        width = re.search(r'width="([\d.]+)pt"', text)
        style = f"width: {float(width[1]) * 4 / 3:.0f}px; max-width: 100%; height: auto" if width else ""
        head = f'<svg role="img" aria-label="{escape(told)}" style="{style}"'
        text = re.sub(r'<svg ([^>]*?)width="[\d.]+pt" height="[\d.]+pt"', rf"{head} \1", text, count=1)
        text = re.sub(r'<svg role([^>]*?) height="[\d.]+pt"', r"<svg role\1", text, count=1)
        return Markup(re.sub(r' width="[\d.]+pt"', "", text, count=1))


def _cells(axes: Axes, depth: NDArray[np.float64], colours: NDArray[np.str_]) -> None:
    """A square for each nonzero entry of (n, n), with its value, 0 to 1, as opacity."""
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    places = np.argwhere(depth > 0.004)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    squares = [corners + np.array([column, row]) for row, column in places.tolist()]
    filled = [to_rgba(_TOKENS[colours[row, column]], float(depth[row, column])) for row, column in places.tolist()]
    axes.add_collection(PolyCollection(squares, facecolors=filled, linewidths=0))


def _shares(axes: Axes, x: str, y: str) -> None:
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True)
    axes.set_axisbelow(True)


def _legend(axes: Any, place: str, *, columns: int = 1, above: bool = False) -> None:
    anchor = {"bbox_to_anchor": (0, 1.06)} if above else {}
    legend = axes.legend(loc=place, ncols=columns, fontsize=9, handletextpad=0.3, **anchor)
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set_sizes([30])
