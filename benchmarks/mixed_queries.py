"""Answers where trained, added and unknown classes are asked for together: calibration, abstention, part numbers.

    python benchmarks/mixed_queries.py [--clip DIR] [--photos FOLDER ...] [--head zero_shot] [--shots 1 4 8]
        [--splits 0 1 2] [--dev] [--json FILE]

DIR and FOLDER are those of base_to_new.py, and so are backbone and heads. Half of a set's classes is trained (16 photos
each), a quarter arrives at once with 1, 4 or 8 photos each, a quarter stays unknown. Classes are added as
`add_classes` adds them, with its defaults; test photos measure, once, and choose nothing; `--dev` measures on others.

Three tables: expected calibration error (ECE, %) of the trained classes alone, on their own photos, and of trained and
added ones on photos of both; what is answered (coverage) and rightly so, of all photos, those of unknown classes
included, at the threshold that is served (`threshold_beside`: as many held-out photos of trained classes are answered as by
these alone), beside it what the trained classes' own threshold (*own*), and one made anew with the added classes, would
answer of known ones, with the area under the curve of
unknown against other photos; and the added classes' accuracy under their own names, under part numbers (for
embeddings alone: words drawn at random), and without any name.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from base_to_new import TEMPLATE, Source, Task, clip_sources, photo_source
from heads_real_clip import only
from lib.photo_sets import MODELS
from torch import Tensor

from components.backbone import load_backbone
from components.bank import threshold_beside
from components.classifier import abstention_threshold, expected_calibration_error
from components.features import class_embeddings
from components.liteembed import Addition, LiteEmbedSettings, NewClasses, add_classes

UNKNOWN_SHARE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--head", default="zero_shot", help="of the known classes of --clip")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--splits", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--dev", action="store_true", help="measure on photos that are not the test photos")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sources: list[Source] = []
    if arguments.clip:
        sources += clip_sources(arguments.clip, arguments.head, arguments.dev)
    sources += [photo_source(folder, arguments.cache, arguments.dev, token=False) for folder in arguments.photos]
    rows = []
    for source in sources:
        numbers = part_numbers(source, encodes=source.name in {folder.name for folder in arguments.photos})
        for split in arguments.splits:
            task = Task(source, split)
            for shots in arguments.shots:
                rows.append({"set": source.name, "split": split, "shots": shots, **measure(task, shots, numbers)})
                if arguments.json:
                    arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_tables(rows)


def part_numbers(source: Source, *, encodes: bool) -> Tensor:
    """(classes, d) text embeddings of names that mean nothing."""
    drawn = random.Random(0)
    n = len(source.names)
    if not encodes:
        return source.vocabulary.embeddings[drawn.sample(range(len(source.vocabulary.words)), n)]
    letters = "ABCDEFGHKLMNPRSTVWX"
    names = [f"{drawn.choice(letters)}{drawn.choice(letters)}-{drawn.randint(100, 99999)}" for _ in range(n)]
    return class_embeddings(names, (TEMPLATE,), load_backbone("embedded", models=MODELS))


def measure(task: Task, shots: int, numbers: Tensor) -> dict[str, float]:
    """Figures of one split, in percent."""
    known, every = task.known, task.new(shots)
    arriving = list(range(0, every.n_classes, 2))
    new = every.classes(arriving)
    (x, logits, labels), (other_x, other_logits, other_labels) = task.queries
    added_x, added_y = only((other_x, other_labels), torch.tensor(arriving))
    is_added = torch.isin(other_labels, torch.tensor(arriving))
    settings = LiteEmbedSettings()
    addition = add_classes(known, new, settings, vocabulary=task.source.vocabulary)

    def answers(added: Addition, rows: Tensor, live: Tensor) -> Tensor:
        return torch.softmax(torch.cat([live, added.columns.scores(rows, known.logit_scale)], 1), 1)

    alone = torch.softmax(logits, 1)
    of_known, of_added = answers(addition, x, logits), answers(addition, added_x, other_logits[is_added])
    of_unknown = answers(addition, other_x[~is_added], other_logits[~is_added])
    mixed = torch.cat([of_known, of_added])
    truth = torch.cat([labels, added_y + known.n_classes])
    own = task.choice.threshold or 0.0
    both = addition.extend(known, new)
    threshold = threshold_beside(own, both, known.n_classes) or 0.0
    anew = abstention_threshold(torch.softmax(both.logits[both.held_out], 1), UNKNOWN_SHARE) or 0.0
    answered, answered_unknown = mixed.max(1).values >= threshold, of_unknown.max(1).values >= threshold
    right = (mixed.argmax(1) == truth) & answered
    n_all = len(mixed) + len(of_unknown)
    found = {
        "ece_known": 100 * expected_calibration_error(alone, labels),
        "ece_mixed": 100 * expected_calibration_error(mixed, truth),
        "ece_added": 100 * expected_calibration_error(of_added, added_y + known.n_classes),
        "confidence_mixed": 100 * float(mixed.max(1).values.mean()),
        "accuracy_mixed": 100 * float((mixed.argmax(1) == truth).double().mean()),
        "coverage": 100 * float(answered.sum() + answered_unknown.sum()) / n_all,
        "coverage_known": 100 * float(answered.double().mean()),
        "coverage_known_own": 100 * float((mixed.max(1).values >= own).double().mean()),
        "coverage_known_anew": 100 * float((mixed.max(1).values >= anew).double().mean()),
        "coverage_unknown": 100 * float(answered_unknown.double().mean()),
        "accuracy_answered": 100 * float(right.sum()) / max(1, int(answered.sum() + answered_unknown.sum())),
        "accuracy_all": 100 * float((mixed.argmax(1) == truth).sum()) / n_all,
        "auroc": 100 * auroc(mixed.max(1).values, of_unknown.max(1).values),
    }
    by_name = {
        "own": addition,
        "number": add_classes(
            known, renamed(new, numbers[: new.n_classes]), settings, vocabulary=task.source.vocabulary
        ),
        "none": add_classes(known, new.without_text(), settings),
    }
    for name, added in by_name.items():
        scores = answers(added, added_x, other_logits[is_added])
        found[f"added_{name}"] = 100 * float((scores.argmax(1) == added_y + known.n_classes).double().mean())
        base = answers(added, x, logits).argmax(1) == labels
        found[f"drop_{name}"] = 100 * float((alone.argmax(1) == labels).double().mean() - base.double().mean())
        found[f"nameless_{name}"] = 100 * mean(not each.name_means_something for each in added.classes)
    return found


def renamed(new: NewClasses, text_embeddings: Tensor) -> NewClasses:
    return replace(new, text_embeddings=text_embeddings)


def auroc(known: Tensor, unknown: Tensor) -> float:
    """Share of pairs in which the photo of a known class has the higher score."""
    order = torch.cat([known, unknown]).double().argsort(stable=True).argsort().double()
    n = len(known)
    return float((order[:n].sum() - n * (n - 1) / 2) / (n * len(unknown)))


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Markdown: means over splits, a line a set and number of photos, and the mean of sets."""
    sets, shots = (list(dict.fromkeys(row[key] for row in rows)) for key in ("set", "shots"))
    tables = {
        "calibration": ("ece_known", "ece_mixed", "ece_added", "accuracy_mixed", "confidence_mixed"),
        "unknown": (
            "coverage",
            "accuracy_answered",
            "accuracy_all",
            "coverage_known",
            "coverage_known_own",
            "coverage_known_anew",
            "coverage_unknown",
            "auroc",
        ),
        "names": tuple(f"{key}_{name}" for name in ("own", "number", "none") for key in ("added", "drop", "nameless")),
    }
    for title, keys in tables.items():
        print(f"\n{title}\n\n| set | photos |", " | ".join(key.replace("_", " ") for key in keys), "|")
        print("|---|---:" + "|---:" * len(keys) + "|")
        for name in [*sets, "mean"]:
            for n_shots in shots:
                here = [row for row in rows if row["shots"] == n_shots and name in (row["set"], "mean")]
                cells = " | ".join(f"{mean(row[key] for row in here):.1f}" for key in keys)
                print(f"| {name} | {n_shots} | {cells} |")


if __name__ == "__main__":
    main()
