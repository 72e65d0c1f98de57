"""LDC beside every other head on real photos, and what its parts are worth.

    python benchmarks/ldc_accuracy.py FOLDER [FOLDER ...] [--shots 1 4 16] [--seeds 1 2 3]
                                      [--rows heads pooled grid full compact ablation] [--keep FILE]
    python benchmarks/ldc_accuracy.py --keep FILE          # the tables of what is there already

Photo sets, splits and features are those of real_photos.py. LDC chooses within its family on the validation photos
(min(shots, 4) a class), or on folds of the support set where a set has none. `heads` are all heads, LDC with the defaults
of the pipeline among them, and *shipped*, what the classifier takes of these; `pooled`, `grid`, `full` and `compact`
(pooled) are further LDCs. Test photos measure once. `ablation` trains variants with a fixed recipe.

A cell is one set, number of shots, seed and kind of row. Each is written to the file as soon as it is there, and is not
measured again while backbone weights are the same: a run that was cut off goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from lib.photo_sets import PhotoSet, photo_set
from torch import Tensor
from torch.nn.functional import normalize

import components.ldc.model
from components.classifier import CLASSIFIER_HEADS, Candidate, choose, fit_candidates
from components.features import Features
from components.files import write_json
from components.heads import Support
from components.heads.map_lr import MapLR
from components.ldc import OURS, PUBLISHED, LdcSettings, Outputs, Recipe, fit_ldc
from components.ldc.training import outputs_of
from components.ldc.work import SupportTrainings

ROWS = ("heads", "pooled", "grid", "full", "compact", "ablation")
LEVELS = {"heads": "grid", "grid": "grid", "full": "full"}  # the others read pooled ones


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=["heads", "pooled", "grid"])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "shotline-ldc-accuracy.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells: list[dict[str, Any]] = json.loads(arguments.keep.read_text()) if arguments.keep.exists() else []
    sets = {
        (folder, levels): photo_set(folder, cache=arguments.cache, backbone=arguments.backbone, levels=levels)
        for folder in arguments.folders
        for levels in {LEVELS.get(rows, "pooled") for rows in arguments.rows}
    }
    for seed, rows, shots, folder in itertools.product(
        arguments.seeds, arguments.rows, arguments.shots, arguments.folders
    ):
        photos = sets[folder, LEVELS.get(rows, "pooled")]
        cell = {
            "weights": photos.backbone.identity.digest[:12],
            "set": photos.root.name,
            "shots": shots,
            "seed": seed,
            "rows": rows,
        }
        if any(cell.items() <= kept.items() for kept in cells):
            continue
        start = time.process_time()
        figures = ablation(photos, shots, seed) if rows == "ablation" else heads(photos, shots, seed, rows)
        cells.append({**cell, "seconds": round(time.process_time() - start, 1), **figures})
        print(json.dumps(cells[-1]), flush=True)
        write_json(arguments.keep, cells)
    print_tables(cells)


def heads(photos: PhotoSet, shots: int, seed: int, rows: str) -> dict[str, Any]:
    """Top-1 of all heads, LDC by its own choice among them, and of what the classifier ships; or of one more LDC."""
    support, validation = photos.support(shots, seed), photos.validation(shots, seed)
    query, labels = photos.query
    settings = LdcSettings(
        form="compact" if rows == "compact" else "published",
        level_mode="auto" if rows == "heads" else LEVELS.get(rows, "pooled"),  # type: ignore[arg-type]
    )
    fit = fit_ldc(support, settings, validation=validation, out_of_fold=rows == "heads")
    name = "ldc" if rows == "heads" else f"ldc, {rows}"
    top1 = {name: share_right(fit.head.scores(query), labels)}
    facts = {"kept": [trial.change for trial in fit.trials if trial.kept and trial.change], "mix": fit.head.mix_}
    if rows == "heads":
        candidates = fit_candidates(support, list(CLASSIFIER_HEADS))
        top1 |= {each.name: share_right(each.head.scores(query), labels) for each in candidates}
        candidates.append(Candidate("ldc", fit.head, fit.out_of_fold))
        facts["shipped"] = choose(candidates, support, validation=validation).name
        top1["shipped"] = top1[facts["shipped"]]
    return {"top1": top1, **facts}


def ablation(photos: PhotoSet, shots: int, seed: int) -> dict[str, Any]:
    """Top-1 of variants, each trained once on the whole support set with a fixed recipe; `m + i`: mean of both."""
    support = photos.support(shots, seed)
    query, labels = photos.query
    published = replace(PUBLISHED, level_mode="pooled")
    from_words = replace(OURS, start="zero_shot")
    l1 = (1.0, 1.0, 1.0, 1.0, 1.0)
    top1: dict[str, float] = {}

    def measure(name: str, recipe: Recipe, answers: dict[str, Callable[[Outputs], Tensor]]) -> None:
        outputs = trained(support, query, recipe, seed)
        for suffix, answer in answers.items():
            top1[f"{name}{suffix}"] = share_right(answer(outputs), labels)

    both = {" m + i": lambda o: o.mlp + o.icd, " alf": lambda o: o.alf}
    measure("published", published, both)
    measure("published, without L1", replace(published, loss_weights=(1.0, 1.0, 1.0, 0.0, 0.0)), both)
    measure("published, 1e-3, epsilon 1e-8", replace(published, learning_rate=1e-3, epsilon=1e-8), both)
    measure("ours from words", from_words, both)
    measure("ours from words, with L1", replace(from_words, loss_weights=l1), both)
    measure("ours", OURS, {**both, " start": lambda o: o.clip})
    measure("ours, with L1", replace(OURS, loss_weights=l1), both)
    measure("ours, published initialisation", replace(OURS, zero_residual=False), both)
    measure("ours, uneven channels", replace(OURS, even_channels=False), both)
    measure("ours, no noise, no mixup", replace(OURS, feature_noise=0.0, mixup=False), both)
    measure("ours, fusion 3", replace(OURS, fusion=3), both)
    measure("MAF alone", replace(OURS, loss_weights=(1.0, 0.0, 0.0, 0.0, 0.0)), {" m": lambda o: o.mlp})
    only_icd = (0.0, 1.0, 0.0, 0.0, 0.0)
    measure("ICD alone", replace(OURS, loss_weights=only_icd), {" i": lambda o: o.icd})
    measure("ICD alone from words", replace(from_words, loss_weights=only_icd), {" i": lambda o: o.icd})
    with embedding_in_place_of_maf():
        own, asked = (
            replace(each, levels=(each.embedding,) * 4, class_tokens=()) for each in (support.features, query)
        )
        plain = replace(OURS, even_channels=False)
        for name, recipe in (("", plain), (" from words", replace(plain, start="zero_shot"))):
            outputs = trained(replace(support, features=own), asked, recipe, seed)
            top1[f"embedding in place of MAF{name} i"] = share_right(outputs.icd, labels)
    top1["MAP-LR on LDC's fused feature"] = share_right(map_lr_on_fused(support, query, from_words, seed), labels)
    return {"top1": top1}


class EmbeddingInPlace(torch.nn.Module):
    """Stands in MAF's place and gives the embedding, which it is handed as the last level."""

    def __init__(self, *_: Any) -> None:
        super().__init__()
        self.levels = torch.nn.ModuleList()

    def forward(self, levels: Sequence[Tensor], class_tokens: Sequence[Tensor]) -> Tensor:
        """The last level, (n, d)."""
        return levels[-1]


@contextlib.contextmanager
def embedding_in_place_of_maf() -> Iterator[None]:
    kept = components.ldc.model.maf_for
    components.ldc.model.maf_for = EmbeddingInPlace  # type: ignore[assignment]
    try:
        yield
    finally:
        components.ldc.model.maf_for = kept


def map_lr_on_fused(support: Support, query: Features, recipe: Recipe, seed: int) -> Tensor:
    """MAP-LR's scores on the fused features of an LDC; what that LDC was trained on is what MAP-LR learns from."""
    done = SupportTrainings(support, LdcSettings(seed=seed)).trained(None, recipe)
    seen, asked = (
        Features(normalize(outputs_of(done.model, each, None, done.start.scores(each), recipe.level_mode).fused, dim=1))
        for each in (support.features, query)
    )
    return MapLR().fit(replace(support, features=seen, text_embeddings=None, covariance=None)).scores(asked)


def trained(support: Support, query: Features, recipe: Recipe, seed: int) -> Outputs:
    done = SupportTrainings(support, LdcSettings(seed=seed)).trained(None, recipe)
    return outputs_of(done.model, query, None, done.start.scores(query), recipe.level_mode)


def share_right(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1) == labels).double().mean())


def print_tables(cells: list[dict[str, Any]]) -> None:
    """Heads and LDC, then the ablation: mean and spread over seeds, how many seeds, and means over the sets."""
    for weights in dict.fromkeys(cell["weights"] for cell in cells):
        mine = [cell for cell in cells if cell["weights"] == weights]
        print(f"\nweights {weights}")
        print_table([cell for cell in mine if cell["rows"] != "ablation"])
        print_table([cell for cell in mine if cell["rows"] == "ablation"])
        shipped = [(cell["set"], cell["shots"], cell["shipped"]) for cell in mine if "shipped" in cell]
        for place in sorted({(name, shots) for name, shots, _ in shipped}):
            print(f"shipped, {place[0]}, {place[1]}:", ", ".join(each[2] for each in shipped if each[:2] == place))
        for rows in dict.fromkeys(cell["rows"] for cell in mine):
            spent = sum(cell["seconds"] for cell in mine if cell["rows"] == rows)
            print(f"{rows}: {spent:.0f} processor seconds")


def print_table(cells: list[dict[str, Any]]) -> None:
    if not cells:
        return
    values: dict[str, dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        for name, value in cell["top1"].items():
            values[name][cell["set"], cell["shots"]].append(100 * value)
    columns = sorted({(cell["set"], cell["shots"]) for cell in cells})
    shots = sorted({shots for _, shots in columns})
    sets = sorted({name for name, _ in columns})
    titles = [f"{name}, {number}" for name, number in columns] + [f"mean, {number}" for number in shots]
    print("\n| head | " + " | ".join(titles) + " |")
    print("|---|" + "---:|" * len(titles))
    for name, found in values.items():
        printed = [figure(found[column]) for column in columns]
        for number in shots:
            per_set = [mean(found[each, number]) for each in sets if found[each, number]]
            printed.append(f"{mean(per_set):.1f}" if len(per_set) == len(sets) else "")
        print(f"| {name} | " + " | ".join(printed) + " |")


def figure(found: list[float]) -> str:
    """Mean and spread; one seed has no spread."""
    if not found:
        return ""
    return f"{mean(found):.1f} ± {stdev(found):.1f}" if len(found) > 1 else f"{found[0]:.1f}"


if __name__ == "__main__":
    main()
