"""LDC beside every other head on real photos, and what its parts are worth.

    python benchmarks/ldc_accuracy.py FOLDER [FOLDER ...] [--shots 4 16] [--seeds 1 2 3] [--levels pooled|grid|full]
                                      [--forms published compact] [--ablation] [--json FILE]

Photo sets, splits and features are those of real_photos.py. LDC chooses within its family on the validation photos
(min(shots, 4) a class), or on folds of the support set where a set has none; *shipped* is what the classifier takes
with LDC among its candidates. Test photos measure once. `--ablation` trains variants with a fixed recipe instead.
Each row is printed, and written to the JSON file, as soon as it is there.
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
from photo_sets import PhotoSet, photo_set
from torch import Tensor
from torch.nn.functional import normalize

import components.ldc.model
from components.classifier import Candidate, choose, fit_candidates
from components.features import Features
from components.heads import HEADS, Support
from components.heads.map_lr import MapLR
from components.ldc import OURS, PUBLISHED, LdcSettings, Outputs, Recipe, fit_ldc
from components.ldc.fit import Work
from components.ldc.training import outputs_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--shots", type=int, nargs="*", default=[4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--levels", choices=["pooled", "grid", "full"], default="pooled")
    parser.add_argument("--heads", nargs="*", default=list(HEADS))
    parser.add_argument("--forms", nargs="*", default=["published"])
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    sets = [
        photo_set(folder, cache=arguments.cache, backbone=arguments.backbone, levels=arguments.levels)
        for folder in arguments.folders
    ]
    for seed, shots, photos in itertools.product(arguments.seeds, arguments.shots, sets):
        start = time.perf_counter()
        figures = (
            ablation(photos, shots, seed, arguments.levels)
            if arguments.ablation
            else heads(photos, shots, seed, arguments.levels, arguments.heads, arguments.forms)
        )
        seconds = time.perf_counter() - start
        rows.append({"set": photos.root.name, "shots": shots, "seed": seed, "seconds": seconds, **figures})
        print(json.dumps(rows[-1]), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_tables(rows)


def heads(photos: PhotoSet, shots: int, seed: int, levels: str, names: list[str], forms: list[str]) -> dict[str, Any]:
    """Top-1 of each head, of LDC in both forms, and of what the classifier ships."""
    support, validation = photos.support(shots, seed), photos.validation(shots, seed)
    query, labels = photos.query
    pooled = [replace(each, features=each.features.pooled()) if each else None for each in (support, validation)]
    candidates = fit_candidates(pooled[0], names)
    top1 = {each.name: share_right(each.head.scores(query.pooled()), labels) for each in candidates}
    facts: dict[str, Any] = {}
    for form in forms:
        settings = LdcSettings(form=form, level_mode=levels if levels != "pooled" else "auto")
        start = time.perf_counter()
        fit = fit_ldc(support, settings, validation=validation)
        name = "ldc" if form == "published" else "ldc_compact"
        facts[f"{name}_seconds"] = time.perf_counter() - start
        facts[f"{name}_kept"] = [trial.change for trial in fit.trials if trial.kept and trial.change]
        facts[f"{name}_mix"] = fit.head.mix_
        top1[name] = share_right(fit.head.scores(query), labels)
        if form == "published":
            candidates.append(Candidate("ldc", fit.head, fit.out_of_fold))
    if levels == "pooled":
        shipped = choose(candidates, support, validation=validation).name
        top1["shipped"] = top1[shipped]
        facts["shipped"] = shipped
    return {"top1": top1, **facts}


def ablation(photos: PhotoSet, shots: int, seed: int, levels: str) -> dict[str, Any]:
    """Top-1 of variants, each trained once on the whole support set with a fixed recipe; `m + i`: mean of both."""
    support = photos.support(shots, seed)
    query, labels = photos.query
    ours = replace(OURS, level_mode=levels)  # type: ignore[arg-type]
    published = replace(PUBLISHED, level_mode=levels)  # type: ignore[arg-type]
    from_words = replace(ours, start="zero_shot")
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
    measure("ours", ours, {**both, " start": lambda o: o.clip})
    measure("ours, with L1", replace(ours, loss_weights=l1), both)
    measure("ours, published initialisation", replace(ours, zero_residual=False), both)
    measure("ours, uneven channels", replace(ours, even_channels=False), both)
    measure("ours, no noise, no mixup", replace(ours, feature_noise=0.0, mixup=False), both)
    measure("ours, fusion 3", replace(ours, fusion=3), both)
    measure("MAF alone", replace(ours, loss_weights=(1.0, 0.0, 0.0, 0.0, 0.0)), {" m": lambda o: o.mlp})
    measure("ICD alone", replace(ours, loss_weights=(0.0, 1.0, 0.0, 0.0, 0.0)), {" i": lambda o: o.icd})
    only_icd = (0.0, 1.0, 0.0, 0.0, 0.0)
    measure("ICD alone from words", replace(from_words, loss_weights=only_icd), {" i": lambda o: o.icd})
    with embedding_in_place_of_maf():
        own, asked = (
            replace(each, levels=(each.embedding,) * 4, class_tokens=()) for each in (support.features, query)
        )
        plain = replace(ours, level_mode="pooled", even_channels=False)
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
    work = Work(support, LdcSettings(seed=seed), None)
    done = work.trained(None, recipe, support.features, torch.arange(len(support)))
    seen, asked = (
        Features(normalize(outputs_of(done.model, each, None, done.start.scores(each), recipe.level_mode).fused, dim=1))
        for each in (support.features, query)
    )
    return MapLR().fit(replace(support, features=seen, text_embeddings=None, covariance=None)).scores(asked)


def trained(support: Support, query: Features, recipe: Recipe, seed: int) -> Outputs:
    work = Work(support, LdcSettings(seed=seed), None)
    return work.trained(None, recipe, query, torch.arange(len(query))).outputs


def share_right(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1) == labels).double().mean())


def print_tables(rows: list[dict[str, Any]]) -> None:
    cells: dict[str, dict[tuple[str, int], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name, value in row["top1"].items():
            cells[name][row["set"], row["shots"]].append(100 * value)
    columns = sorted({(row["set"], row["shots"]) for row in rows})
    print("\n| head | " + " | ".join(f"{name}, {shots}" for name, shots in columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name, values in cells.items():
        printed = [
            f"{mean(values[c]):.1f} ± {stdev(values[c]) if len(values[c]) > 1 else 0:.1f}" if values[c] else ""
            for c in columns
        ]
        print(f"| {name} | " + " | ".join(printed) + " |")


if __name__ == "__main__":
    main()
