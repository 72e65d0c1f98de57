"""Writes an evaluation down: `metrics.json`, plots for DVC, and a table for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor

from components.artefacts import PoolFacts
from components.bank import PROMISED
from components.classifier import Bundle, reliability
from components.evaluate.evaluation import Evaluation
from components.evaluate.learning_curve import Promise
from components.evaluate.metrics import coverage_curve
from components.files import write_text
from components.wording import counted

__all__ = ["metrics", "summary", "table", "write_plots"]

_WIDTH = 80
_PAIRS = 5
_CLASSES = 4  # named where more photos would help
_LEAST_TOLD = 0.005  # share of a class's photos; less would be printed as 0 %
_LEAST_CLASS_GAIN = 0.01  # share of a class's own photos; less counts as none
_MOVED = 20  # classes whose logits LDC moves most, each way
_POOR = 0.7  # under this mean share of right answers the text says what helps
_BEFORE = {"ldc_start": "what LDC started from"}


def metrics(
    evaluation: Evaluation,
    bundle: Bundle,
    *,
    shots: int,
    seed: int,
    pool: PoolFacts | None = None,
    promise: Promise | None = None,
) -> dict[str, Any]:
    """The content of `reports/metrics.json`, version 1.

    Args:
        evaluation: what was measured.
        bundle: what is shipped.
        shots: photos per class that were asked for.
        seed: that they were drawn with.
        pool: the photos without a label that training took; None or no photo: there is no key `pool`.
        promise: what more photos would bring; None: there is no key `more_photos`.
    """
    shipped = evaluation.heads.get(evaluation.shipped)
    return {
        "version": 1,
        "shots": shots,
        "seed": seed,
        "backbone": bundle.backbone.get("name"),
        "data": {
            "classes": len(evaluation.class_names),
            "support": evaluation.n_support,
            "query": evaluation.n_query,
        },
        "evidence": evaluation.evidence,
        "heads": {name: asdict(figures) for name, figures in evaluation.heads.items()},
        "shipped": {
            "head": evaluation.shipped,
            "top1": None if shipped is None else shipped.top1,
            "ece": None if shipped is None else shipped.ece,
            "why": bundle.why,
        },
        **({} if pool is None or not pool.photos else {"pool": {**asdict(pool), "gain": pool_gain(evaluation)}}),
        **({} if promise is None else {"more_photos": _promised(promise, evaluation.class_names)}),
        "confused": [
            {
                "class": evaluation.class_names[pair.label],
                "taken_for": evaluation.class_names[pair.taken_for],
                "before": pair.before,
                "after": pair.after,
            }
            for pair in evaluation.confused
        ],
    }


def write_plots(evaluation: Evaluation, folder: Path) -> None:
    """Write `reliability.csv`, the same of raw scores, `coverage.csv`, `heads.csv` and LDC's `residual.csv`, as `dvc plots` and the report read them."""
    bins = reliability(evaluation.probabilities, evaluation.labels) if len(evaluation.labels) else None
    for name, each in (("reliability", bins), ("reliability_raw", evaluation.raw)):
        rows = [] if each is None else zip(each.confidence, each.accuracy, each.count, strict=True)
        _write_csv(folder / f"{name}.csv", ("confidence", "accuracy", "photos"), [row for row in rows if row[2]])
    _write_csv(
        folder / "coverage.csv",
        ("coverage", "accuracy"),
        coverage_curve(evaluation.probabilities, evaluation.labels) if len(evaluation.labels) else [],
    )
    _write_csv(
        folder / "heads.csv",
        ("head", "top1", "balanced", "ece", "nll"),
        [(name, each.top1, each.balanced, each.ece, each.nll) for name, each in evaluation.heads.items()],
    )
    _write_csv(folder / "residual.csv", ("class", "other", "moved", "beside_others"), _residual(evaluation))


def summary(evaluation: Evaluation, bundle: Bundle) -> dict[str, float | None]:
    """What `dvc metrics` and `dvc exp` show: ten figures of short names, beside each other in 100 columns.

    Shares in percent, to one decimal; `zero1` and `ldc1`: top-1 of zero-shot and of LDC. `right`: share of the answered
    photos that are right; `covered`: share of photos whose class is among the likely ones; `size`: likely classes per
    photo.
    """
    shipped = evaluation.heads.get(evaluation.shipped)
    answered, n = ~evaluation.abstained, len(evaluation.labels)
    heads = {short: evaluation.heads.get(name) for short, name in (("zero1", "zero_shot"), ("ldc1", "ldc"))}
    own = evaluation.likely[torch.arange(n), evaluation.labels]
    return {
        "top1": None if shipped is None else _rounded(shipped.top1),
        "bal": None if shipped is None else _rounded(shipped.balanced),
        "nll": None if shipped is None else round(shipped.nll, 3),
        "ece": None if shipped is None else _rounded(shipped.ece),
        "answ": _rounded(float(answered.double().mean())) if n else None,
        "right": _rounded(float(_right(evaluation)[answered].double().mean())) if answered.any() else None,
        "cover": _rounded(float(own.double().mean())) if n else None,
        "size": round(float(evaluation.likely.sum(1).double().mean()), 2) if n else None,
        **{name: None if each is None else _rounded(each.top1) for name, each in heads.items()},
    }


def _rounded(share: float) -> float:
    return round(100 * share, 1)


def _residual(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    """Per class the classes that LDC moves furthest away from it and furthest towards it, less the mean over all."""
    if evaluation.residual is None:
        return []
    names, rows = evaluation.class_names, []
    present = torch.bincount(evaluation.labels, minlength=len(names)) > 0
    for label, moved in enumerate(evaluation.residual):
        if present[label]:
            others = moved.argsort(stable=True).tolist()
            others = [other for other in others if other != label]
            kept = others if len(others) <= 2 * _MOVED else [*others[:_MOVED], *others[-_MOVED:]]
            mean = float(moved.sum()) / max(1, len(others))
            rows += [
                (names[label], names[other], *(f"{float(moved[other]) - less:.4f}" for less in (0.0, mean)))
                for other in kept
            ]
    return rows


def table(evaluation: Evaluation, bundle: Bundle, pool: PoolFacts | None = None, promise: Promise | None = None) -> str:
    """The heads side by side, what is shipped and why, what it still confuses and what helps; plain text, 80 columns.

    Args:
        evaluation: what was measured.
        bundle: what is shipped.
        pool: the photos without a label that training took; None or no photo: nothing is said of them.
        promise: what more photos would bring; None: nothing is said of it.
    """
    buffer = io.StringIO()
    console = Console(file=buffer, width=_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    where = (
        f"{evaluation.n_query} query photos"
        if evaluation.evidence == "query"
        else "support photos, each by heads that had not seen it (held-out folds)"
    )
    if beside := bundle.backbone.get("beside"):
        console.print(f"backbone {bundle.backbone['name']}, beside it {beside['name']} (weight {beside['weight']:g})\n")
    if evaluation.heads:
        console.print(_heads_table(evaluation, where))
    else:
        console.print("There is no query split and one photo per class: nothing could be measured.")
    told = [f"\nShipped: {evaluation.shipped}. {bundle.why}.", *_added(evaluation)]
    if evaluation.heads:
        told += [*_pool(evaluation, pool or PoolFacts()), *_enough(promise, evaluation.display_names)]
        if why := bundle.provenance.get("threshold"):
            told.append(f"{why}.")
        told += [
            *_abstaining(evaluation),
            *_likely(evaluation),
            *_confused(evaluation),
            *_what_helps(evaluation, bundle),
        ]
    for line in told:
        console.print(line, highlight=False, markup=False)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _added(evaluation: Evaluation) -> list[str]:
    """The lines about added classes, if there are any."""
    names = evaluation.display_names[evaluation.n_trained :]
    if not names:
        return []
    lines = [f"Beside the added classes {', '.join(names)}, as it answers."]
    theirs = evaluation.labels >= evaluation.n_trained
    if theirs.any():
        right = _right(evaluation)[theirs]
        lines.append(
            f"Of the added classes' {len(right)} photos, each left out, {_percent(float(right.double().mean()))} % are "
            "taken for the right class."
        )
    return lines


def _promised(promise: Promise, class_names: Sequence[str]) -> dict[str, Any]:
    """What more photos would bring, with the gain of each class's share of right answers."""
    return {
        "shots": promise.shots,
        "more": promise.more,
        "now": promise.now,
        "then": promise.then,
        "spread": promise.spread,
        "classes": [
            {"class": class_names[each.label], "gain": each.gain, "spread": each.spread} for each in promise.classes
        ],
    }


def _enough(promise: Promise | None, names: Sequence[str]) -> list[str]:
    """What twice as many photos would bring, in all and for the classes that gain most."""
    if promise is None:
        return []
    more = f"{counted(promise.more, 'more photo')} a class"
    if promise.gain < max(_LEAST_TOLD, promise.spread):
        return [f"{more}: no gain to be expected."]
    lines = [f"{more}: about {100 * promise.gain:+.1f} points to be expected (± {100 * promise.spread:.1f})."]
    most = sorted(promise.classes, key=lambda each: -each.gain)
    gaining = [each for each in most if each.gain >= max(_LEAST_CLASS_GAIN, each.spread)][:_CLASSES]
    if gaining:
        told = ", ".join(f"{names[each.label]} {100 * each.gain:+.0f} (± {100 * each.spread:.0f})" for each in gaining)
        lines.append(f"  most of their own photos: {told}")
    if enough := [names[each.label] for each in most if each.gain + each.spread < _LEAST_CLASS_GAIN]:
        others = f" and {len(enough) - _CLASSES} more" if len(enough) > _CLASSES else ""
        lines.append(f"  no gain to be expected of: {', '.join(enough[-_CLASSES:])}{others}")
    return lines


def pool_gain(evaluation: Evaluation) -> float | None:
    """Top-1 of `map_lr_pool` less that of `map_lr`, the same head without the pool; None if one is missing."""
    with_pool, without = (evaluation.heads.get(name) for name in ("map_lr_pool", "map_lr"))
    return None if with_pool is None or without is None else with_pool.top1 - without.top1


def _pool(evaluation: Evaluation, pool: PoolFacts) -> list[str]:
    """What the photos without a label brought."""
    if not pool.photos and not pool.left_out:
        return []
    line = f"The pool: {counted(pool.photos, 'photo')} without a label"
    if pool.left_out:
        line += f" ({pool.left_out:,} more are nearly labelled photos and were left out)"
    gain = pool_gain(evaluation)
    if gain is not None:
        line += f": map_lr_pool, which learnt from them, is {100 * gain:+.1f} points against map_lr"
        line += " and is shipped" if evaluation.shipped == "map_lr_pool" else "; held-out photos chose another head"
    return [f"{line}."]


def _abstaining(evaluation: Evaluation) -> list[str]:
    if evaluation.threshold is None:
        return []
    answered = ~evaluation.abstained
    if not answered.any():
        return [f"Under {_percent(evaluation.threshold)} % it abstains: none of the photos is answered."]
    of_them = f"{_percent(float(_right(evaluation)[answered].double().mean()))} %"
    return [
        f"Under {_percent(evaluation.threshold)} % it abstains: {_percent(float(answered.double().mean()))} % of "
        f"the photos are answered, {of_them} of those rightly."
    ]


def _likely(evaluation: Evaluation) -> list[str]:
    own = evaluation.likely[torch.arange(len(evaluation.labels)), evaluation.labels]
    sizes = evaluation.likely.sum(1)
    several = sizes > 1
    line = (
        f"The right class is among the likely ones of {_percent(float(own.double().mean()))} % of the photos "
        f"({100 * PROMISED:.0f} % are promised)"
    )
    if several.any():
        photos = counted(int(several.sum()), "photo")
        line += f"; {photos} with several, {float(sizes[several].double().mean()):.1f} on average"
    if none := int((sizes == 0).sum()):
        line += f"; {counted(none, 'unknown photo')} with none"
    return [f"{line}."]


def _confused(evaluation: Evaluation) -> list[str]:
    """The pairs that are printed as more than 0 %."""
    pairs = [pair for pair in evaluation.confused if pair.after >= _LEAST_TOLD][:_PAIRS]
    if not pairs:
        return []
    names, before = evaluation.display_names, _BEFORE.get(evaluation.before, evaluation.before)
    lines = [
        f"\nTaken for another most often, by {before} -> by {evaluation.shipped}",
        "(share of the class's photos):",
    ]
    return lines + [
        f"  {names[pair.label]} for {names[pair.taken_for]}: {100 * pair.before:.0f} % -> {100 * pair.after:.0f} %"
        for pair in pairs
    ]


def _what_helps(evaluation: Evaluation, bundle: Bundle) -> list[str]:
    """Advice where the result is poor."""
    if evaluation.heads[evaluation.shipped].balanced >= _POOR:
        return []
    names = evaluation.display_names
    worst = list(
        dict.fromkeys(names[each] for pair in evaluation.confused[:_PAIRS] for each in (pair.label, pair.taken_for))
    )
    lines = ["\nThis is poor. What helps most:"]
    if worst:
        lines.append(f"  more photos of {', '.join(worst[:_CLASSES])}, unlike those that are there;")
    if bundle.backbone.get("name") == "embedded":
        lines.append("  a larger backbone: shotline train --backbone ViT-B-32-256/datacomp_s34b_b86k")
        lines.append("  (others: shotline backbones);")
    else:
        lines.append(f"  a larger backbone than {bundle.backbone.get('name')} (see shotline backbones);")
    lines.append("  a look at the photos themselves: reports/validation/index.html.")
    return lines


def _right(evaluation: Evaluation) -> Tensor:
    return evaluation.probabilities.argmax(1) == evaluation.labels


def _percent(share: float) -> str:
    """One decimal; 100 and 0 only if it is exactly all or nothing."""
    percent = 100 * share
    if 0 < percent < 100:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f}"


def _heads_table(evaluation: Evaluation, where: str) -> Table:
    rows = Table(title=f"On {where}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    rows.add_column("head", no_wrap=True)
    for column in ("top-1 %", "top-5 %", "balanced %", "log-loss", "ECE %", "raw ECE %"):
        rows.add_column(column, justify="right", no_wrap=True)
    for name, each in sorted(evaluation.heads.items(), key=lambda item: -item[1].top1):
        rows.add_row(
            f"{name} *" if name == evaluation.shipped else name,
            f"{100 * each.top1:.1f}",
            f"{100 * each.top5:.1f}",
            f"{100 * each.balanced:.1f}",
            f"{each.nll:.3f}",
            f"{100 * each.ece:.1f}",
            f"{100 * evaluation.uncalibrated_ece[name]:.1f}",
        )
    rows.caption = "* shipped; probabilities at each head's own temperature"
    rows.caption_justify = "left"
    return rows


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
