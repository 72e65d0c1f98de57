"""Tables and plot of the results, made from `results.jsonl`: the same lines give the same files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from components.files import atomic_path, write_text
from components.protocol.results import Measured
from components.protocol.sets import KNOWN
from components.wording import counted

__all__ = ["PUBLISHED", "write_plot", "write_tables"]

PUBLISHED = (
    # method, backbone, mean top-1 of the eleven sets at 16 shots, source
    ("GDA (training-free)", "RN50", 76.1, "Wang et al., ICLR 2024"),
    ("LDC", "RN50", 79.8, "Li et al., CVPR 2025; its fusion weight is tuned on the full validation split"),
    ("GDA (training-free)", "ViT-B/16", 81.7, "Wang et al., ICLR 2024"),
    ("LDC", "ViT-B/16", 82.9, "Li et al., CVPR 2025; its fusion weight is tuned on the full validation split"),
)

SHIPPED = "shipped (chosen on support folds)"


def write_tables(
    path: Path, measured: Sequence[Measured], *, backbone: str, absent: Sequence[str], problems: Sequence[str]
) -> str:
    """Write Markdown: accuracy by set, base to new, domain shift, published figures; returns the text.

    Args:
        path: of the file.
        measured: rows of one choice of heads and backbone.
        backbone: its name.
        absent: known sets that were not found.
        problems: what was wrong with others, a line each.
    """
    parts = [
        f"# Accuracy by set\n\nBackbone {backbone}. Top-1 in percent, mean and standard deviation over seeds; nothing is chosen on photos that measure."
    ]
    rows = [row for row in measured if row.setting == "all"]
    for shots in sorted({row.shots for row in rows}):
        parts.append(_by_set([row for row in rows if row.shots == shots], counted(shots, "shot")))
    parts += _base_to_new(measured)
    shifts = [row for row in measured if row.setting not in ("all", "base", "new")]
    if shifts:
        parts.append("# Domain shift\n\nHeads of ImageNet, measured elsewhere.")
        for shots in sorted({row.shots for row in shifts}):
            parts.append(_by_set([row for row in shifts if row.shots == shots], counted(shots, "shot"), by="setting"))
    parts.append(_published())
    if absent:
        parts.append(f"Not found: {', '.join(absent)}.")
    parts += [f"Not measured: {problem}" for problem in problems]
    text = "\n\n".join(parts) + "\n"
    write_text(path, text)
    return text


def write_plot(path: Path, measured: Sequence[Measured]) -> None:
    """Draw mean accuracy over the sets against shots, a line per head."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = [row for row in measured if row.setting == "all"]
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    shots = sorted({row.shots for row in rows})
    for head in _heads(rows):
        points = [(k, _average([row for row in rows if row.shots == k], head)) for k in shots]
        known = [(k, 100 * value) for k, value in points if value is not None]
        # What is shipped is one of the heads, so its line lies broad beneath theirs.
        look = {"linewidth": 7, "alpha": 0.3, "zorder": 1} if head == SHIPPED else {"marker": "o", "markersize": 4}
        axes.plot(*zip(*known, strict=True), label=head, **look)
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, [str(k) for k in shots])
    axes.set(xlabel="labelled photos per class", ylabel="top-1, %", title=f"Mean of {len({r.set for r in rows})} sets")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_path(path) as beside:
        figure.savefig(beside, format="png", dpi=130, metadata={"Software": None})
    pyplot.close(figure)


def _heads(rows: Sequence[Measured]) -> list[str]:
    return [*dict.fromkeys(head for row in rows for head in row.top1), SHIPPED]


def _top1(row: Measured, head: str) -> float | None:
    return row.top1.get(row.shipped if head == SHIPPED else head)


def _figures(rows: Sequence[Measured], head: str) -> list[float]:
    return [value for row in rows if (value := _top1(row, head)) is not None]


def _average(rows: Sequence[Measured], head: str, by: str = "set") -> float | None:
    """The mean over sets of the means over seeds; None unless every set has the head."""
    of: dict[str, list[Measured]] = defaultdict(list)
    for row in rows:
        of[getattr(row, by)].append(row)
    means = [mean(found) for members in of.values() if (found := _figures(members, head))]
    return mean(means) if means and len(means) == len(of) else None


def _by_set(rows: Sequence[Measured], title: str, by: str = "set") -> str:
    order = {name: number for number, name in enumerate(KNOWN.values())}
    names = sorted({getattr(row, by) for row in rows}, key=lambda name: (order.get(name, len(order)), name))
    lines = [
        f"## {title}, {counted(len({row.seed for row in rows}), 'seed')}\n",
        f"| head | {' | '.join(names)} | mean |",
        "|---" * (len(names) + 2) + "|",
    ]
    for head in _heads(rows):
        cells = [_cell(_figures([row for row in rows if getattr(row, by) == name], head)) for name in names]
        average = _average(rows, head, by)
        lines.append(f"| {head} | {' | '.join(cells)} | {'' if average is None else f'**{100 * average:.1f}**'} |")
    return "\n".join(lines)


def _cell(figures: Sequence[float]) -> str:
    if not figures:
        return ""
    spread = f" ± {100 * stdev(figures):.1f}" if len(figures) > 1 else ""
    return f"{100 * mean(figures):.1f}{spread}"


def _base_to_new(measured: Sequence[Measured]) -> list[str]:
    rows = [row for row in measured if row.setting in ("base", "new")]
    if not rows:
        return []
    parts = [
        "# Base to new\n\nHeads see photos of the first half of the classes. The other half is answered by its words alone, "
        "among itself, as CoOp measures it; H is the harmonic mean."
    ]
    for shots in sorted({row.shots for row in rows}):
        of_shots = [row for row in rows if row.shots == shots]
        lines = [f"## {counted(shots, 'shot')}\n", "| head | base | new | H |", "|---|---|---|---|"]
        for head in _heads(of_shots):
            base, new = (_average([row for row in of_shots if row.setting == part], head) for part in ("base", "new"))
            if base is not None and new is not None:
                harmonic = 2 * base * new / (base + new) if base + new else 0.0
                lines.append(f"| {head} | {100 * base:.1f} | {100 * new:.1f} | {100 * harmonic:.1f} |")
        parts.append("\n".join(lines))
    return parts


def _published() -> str:
    lines = [
        "# Published\n\nMean of the eleven sets at 16 shots; compare only with a table of all eleven and that backbone.\n",
        "| method | backbone | top-1 | source |",
        "|---|---|---|---|",
    ]
    return "\n".join(lines + [f"| {name} | {tower} | {top1} | {source} |" for name, tower, top1, source in PUBLISHED])
