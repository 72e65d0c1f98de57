"""Half of a set's classes known, the other half new with 1, 4 and 8 photos: every way to add them.

    python benchmarks/base_to_new.py [--clip DIR] [--photos FOLDER ...] [--head zero_shot] [--shots 1 4 8]
        [--splits 0 1 2] [--modes all one] [--token also] [--most-alone 8] [--json FILE]
    python benchmarks/base_to_new.py --tables FILE ...

DIR holds embeddings of a real CLIP (`NAME.npz` with `train16_*`, `val_*`, `test_*`, `NAME_text.npz` with the text
embeddings of some classes, `text_lexicon.npz`, `generic_covariance.npz`); known classes there are text columns, or
what `--head` names. Each FOLDER is a photo set, encoded by the embedded backbone; known classes there are a MAP-LR
on 16 photos a class, since the embedded text tower is too weak to stand alone.

`all`: the new half arrives at once. `one`: each new class arrives alone (at most `--most-alone` of them), figures are
means over classes. The form `token` takes part with `--token also`, or with nothing beside it with `--token alone`; its
offset is set on two folds, since a fit of it takes seconds, and without a part it stands at the same offset. Several
runs' JSON files make one set of tables. Known logits inside the optimisation and under every offset are held out (text
columns have seen no photo). Offsets are set on left-out support photos. Test photos measure, once; `--dev` measures on others instead
(`val` for embeddings, training photos outside the support set for photo sets) and is what constants were set with.

Columns: accuracy on test photos of known and of new classes (means over classes, %), their harmonic mean, what the
known ones lost (points), area under the seen-unseen curve (%), over splits.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from heads_real_clip import only, part, unit
from lib.photo_sets import photo_set
from torch import Tensor

from components.backbone import FreeTokenPrompt
from components.classifier import HEADS, Choice, choose, fit_candidate, fit_head
from components.features.carriers import Features
from components.heads import Support
from components.liteembed import (
    Columns,
    Form,
    KnownClasses,
    LiteEmbedSettings,
    NewClasses,
    Tried,
    Vocabulary,
    add_classes,
    asked_of_names,
    build_vocabulary,
    make_forms,
    name_scores,
    own_offset,
    prefer,
    seen_unseen,
    try_form,
    try_forms,
)
from components.liteembed.embedding import Embedding

KNOWN_SHOTS = 16
FROZEN = 1e9  # times the stiffness: does not move
TEMPLATE = "a photo of a {}."
Rows = tuple[Tensor, Tensor]


@dataclass
class Source:
    """A set of labelled embeddings with words.

    Attributes:
        name: in tables.
        support: split number to embeddings and labels of 16 photos a class.
        query: embeddings and labels that measure.
        validation: split number to further labelled embeddings, which calibrate the known classes; None where the set has
            no such photos.
        names: of the classes.
        text: (classes, d).
        logit_scale: of the backbone.
        covariance: generic, or None.
        head: of the known classes.
        vocabulary: for the gate of names and the axes.
        prompt: for the form `token`; None where only embeddings are there.
    """

    name: str
    support: Callable[[int], Rows]
    query: Callable[[int], Rows]
    names: tuple[str, ...]
    text: Tensor
    logit_scale: float
    covariance: Tensor | None
    head: str
    vocabulary: Vocabulary
    prompt: FreeTokenPrompt | None = None
    validation: Callable[[int], Rows] | None = None


@dataclass
class Task:
    """One split of a source: known classes with their head, new ones with their pool of photos."""

    source: Source
    split: int

    @cached_property
    def _halves(self) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(self.source.names), generator=torch.Generator().manual_seed(self.split))
        n_known = len(order) - len(order) // 2
        return order[:n_known].sort().values, order[n_known:].sort().values

    def _support(self, rows: Rows) -> Support:
        """The known half of labelled embeddings."""
        source, (classes, _) = self.source, self._halves
        x, y = only(rows, classes)
        return Support.of_images(
            Features(x),
            y,
            len(classes),
            text_embeddings=source.text[classes],
            logit_scale=source.logit_scale,
            covariance=source.covariance,
            seed=self.split,
        )

    @cached_property
    def choice(self) -> Choice:
        """The known half's head, calibrated as the stage classifier does."""
        source = self.source
        support = self._support(source.support(self.split))
        validation = self._support(source.validation(self.split)) if source.validation else None
        return choose([fit_candidate(source.head, HEADS[source.head].fit, support)], support, validation=validation)

    @cached_property
    def _fitted(self) -> tuple[KnownClasses, Callable[[Tensor], Tensor]]:
        source, (classes, _), choice = self.source, self._halves, self.choice
        x, y = only(source.support(self.split), classes)
        known = KnownClasses.of_head(
            tuple(source.names[label] for label in classes.tolist()),
            x,
            y,
            out_of_fold=choice.out_of_fold,
            seen=choice.head.scores(Features(x)),
            temperature=choice.temperature,
            logit_scale=source.logit_scale,
            text_embeddings=source.text[classes],
            covariance=source.covariance,
        )
        return known, lambda rows: choice.head.scores(Features(rows)) / choice.temperature

    @property
    def known(self) -> KnownClasses:
        """The known half."""
        return self._fitted[0]

    def logits(self, rows: Tensor) -> Tensor:
        """Calibrated known logits."""
        return self._fitted[1](rows)

    def new(self, shots: int) -> NewClasses:
        """The new half with `shots` photos a class drawn from its sixteen."""
        source, (_, classes) = self.source, self._halves
        x, y = only(source.support(self.split), classes)
        random = torch.Generator().manual_seed(self.split + 7)
        chosen = []
        for label in range(len(classes)):
            rows = torch.nonzero(y == label).flatten()
            chosen.append(rows[torch.randperm(len(rows), generator=random)[:shots]])
        x, y = x[torch.cat(chosen)], y[torch.cat(chosen)]
        names = tuple(source.names[label] for label in classes.tolist())
        return NewClasses(names, x, y, self.logits(x), source.text[classes])

    @cached_property
    def queries(self) -> tuple[tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
        """Embeddings, known logits and labels of known and of new classes' query photos."""
        known, new = (only(self.source.query(self.split), half) for half in self._halves)
        return (known[0], self.logits(known[0]), known[1]), (new[0], self.logits(new[0]), new[1])

    def retrain(self, new: NewClasses) -> tuple[Tensor, Tensor]:
        """Scores of known and of new query photos by a MAP-LR on all photos of all classes."""
        known = self.known
        assert known.text_embeddings is not None
        assert new.text_embeddings is not None
        support = Support.of_images(
            Features(torch.cat([known.embeddings, new.embeddings])),
            torch.cat([known.labels, new.labels + known.n_classes]),
            known.n_classes + new.n_classes,
            text_embeddings=torch.cat([known.text_embeddings, new.text_embeddings]),
            logit_scale=known.logit_scale,
            covariance=known.covariance,
            seed=self.split,
        )
        head = fit_head("map_lr", support)
        first, second = (head.scores(Features(rows[0])) for rows in self.queries)
        return first, second


class Remembered:
    """The form `token`, each class fitted once whatever company it comes in: its classes do not see each other."""

    name = "token"
    needs_text = True

    def __init__(self, form: Form) -> None:
        self._form = form
        self._vectors: dict[bytes, Tensor] = {}

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Columns of remembered classes, and of those not met before."""
        keys = [new.embeddings[new.labels == label].numpy().tobytes() for label in range(new.n_classes)]
        unknown = [label for label, key in enumerate(keys) if key not in self._vectors]
        if unknown:
            vectors = self._form.fit(known, new.classes(unknown)).vectors
            self._vectors.update(zip([keys[label] for label in unknown], vectors, strict=True))
        return Columns(torch.stack([self._vectors[key] for key in keys]), torch.full((new.n_classes,), known.level))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--photos", type=Path, nargs="*", default=[])
    parser.add_argument("--head", default="zero_shot", help="of the known classes of --clip")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--splits", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--modes", nargs="*", default=["all", "one"], choices=["all", "one"])
    parser.add_argument("--token", choices=["no", "also", "alone"], default="no")
    parser.add_argument("--most-alone", type=int, default=8)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--dev", action="store_true", help="measure on photos that are not the test photos")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--tables", type=Path, nargs="*", help="print the tables of earlier runs, and no more")
    arguments = parser.parse_args()
    if arguments.tables:
        print_tables([row for file in arguments.tables for row in json.loads(file.read_text())["rows"]])
        return
    torch.set_num_threads(1)
    sources: list[Source] = []
    if arguments.clip:
        sources += clip_sources(arguments.clip, arguments.head, arguments.dev)
    sources += [
        photo_source(folder, arguments.cache, arguments.dev, arguments.token != "no") for folder in arguments.photos
    ]
    rows = []
    for source in sources:
        for split in arguments.splits:
            task = Task(source, split)
            for row in measure(
                task, arguments.shots, arguments.modes, arguments.most_alone, arguments.token == "alone"
            ):
                rows.append({"set": source.name, "split": split, **row})
                if arguments.json:
                    arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_tables(rows)


def clip_sources(folder: Path, head: str, dev: bool) -> Iterator[Source]:
    lexicon = np.load(folder / "text_lexicon.npz")
    words = Vocabulary(tuple(str(name) for name in lexicon["name"]), unit(lexicon["vec"]), "a photo of a {}", "full")
    covariance = torch.from_numpy(np.load(folder / "generic_covariance.npz")["s0"])
    for text in sorted(folder.glob("*_text.npz")):
        name = text.name.removesuffix("_text.npz")
        arrays, named = np.load(folder / f"{name}.npz"), np.load(text)
        classes = torch.from_numpy(named["label"].astype(np.int64))
        support = only(part(arrays, "train16"), classes)
        query = only(part(arrays, "val" if dev else "test"), classes)
        yield Source(
            name=f"clip_{name}",
            support=lambda _, rows=support: rows,
            query=lambda _, rows=query: rows,
            names=tuple(str(label) for label in classes.tolist()),
            text=unit(named["vec"]),
            logit_scale=100.0,
            covariance=covariance,
            head=head,
            vocabulary=words,
        )


def photo_source(folder: Path, cache: Path, dev: bool, token: bool) -> Source:
    photos = photo_set(folder, cache=cache)

    def support(split: int) -> Rows:
        drawn = photos.support(KNOWN_SHOTS, split + 1)
        return drawn.features.embedding, drawn.labels

    def query(split: int) -> Rows:
        if not dev:
            return photos.query[0].embedding, photos.query[1]
        every = photos.support(0, 0)
        used = {row.numpy().tobytes() for row in support(split)[0]}
        kept = torch.tensor([row.numpy().tobytes() not in used for row in every.features.embedding])
        return every.features.embedding[kept], every.labels[kept]

    def validation(split: int) -> Rows:
        drawn = photos.validation(KNOWN_SHOTS, split + 1)
        assert drawn is not None
        return drawn.features.embedding, drawn.labels

    return Source(
        name=folder.name,
        support=support,
        query=query,
        names=tuple(photos.class_names),
        text=photos.text_embeddings,
        logit_scale=photos.backbone.logit_scale,
        covariance=photos.backbone.covariance,
        head="map_lr",
        vocabulary=build_vocabulary(photos.backbone, cache / "vocabulary", kind="starter", template=TEMPLATE),
        prompt=photos.backbone.free_token_prompt(TEMPLATE) if token else None,
        validation=validation if photos.validation(KNOWN_SHOTS, 1) else None,
    )


def measure(
    task: Task, shots: list[int], modes: list[str], most_alone: int, token_alone: bool
) -> Iterator[dict[str, Any]]:
    """One row a number of photos, mode and option."""
    settings = LiteEmbedSettings()
    for n_shots in shots:
        new = task.new(n_shots)
        tokens = {name: Remembered(form) for name, form in token_forms(task.source, settings).items()}
        for mode in modes:
            arrivals = [new] if mode == "all" else [new.classes([label]) for label in range(new.n_classes)][:most_alone]
            table: dict[str, list[dict[str, float]]] = defaultdict(list)
            taken: list[str] = []
            for label, arrival in enumerate(arrivals):
                of_class = None if mode == "all" else label
                shift = torch.zeros(())
                for name, form in tokens.items():
                    columns = form.fit(task.known, arrival)
                    if name == "token":
                        found = try_form(form, task.known, arrival, folds=2).columns
                        shift = found.offsets - columns.offsets
                    table[name].append(figures_of_columns(task, columns.shifted(shift), of_class))
                if token_alone:
                    continue
                for option, columns in options(task, arrival, settings, taken):
                    table[option].append(figures_of_columns(task, columns, of_class))
                if mode == "all":
                    table["full_retrain"].append(figures_of_retrain(task, new))
            for option, figures in table.items():
                found = {key: mean(row[key] for row in figures) for key in figures[0]}
                yield {
                    "shots": n_shots,
                    "mode": mode,
                    "option": option,
                    **found,
                    "taken": taken if option == "shipped" else [],
                }


def token_forms(source: Source, settings: LiteEmbedSettings) -> dict[str, Form]:
    if source.prompt is None:
        return {}
    without_coarse = replace(settings, token=replace(settings.token, coarse_weight=0.0))
    without_fine = replace(settings, token=replace(settings.token, fine_weight=0.0))
    return {
        name: make_forms("token", one, source.vocabulary, source.prompt)[0]
        for name, one in (("token", settings), ("token, no coarse", without_coarse), ("token, no fine", without_fine))
    }


def options(
    task: Task, new: NewClasses, settings: LiteEmbedSettings, taken: list[str]
) -> Iterator[tuple[str, Columns]]:
    """Every option's columns; `taken` learns which form was shipped."""
    known, vocabulary = task.known, task.source.vocabulary
    tried: dict[str, Tried] = {}
    for name in settings.forms:
        tried[name] = try_forms(make_forms(name, settings, None, None), known, new, settings)
        yield name, tried[name].columns
    # Where one part is frozen, start and stiffness of the other are those that left-out photos chose with both.
    chosen = tried["embedding"].fitted
    assert isinstance(chosen, Embedding)
    for name, part_settings in (
        ("embedding, coarse frozen", replace(settings.embedding, coarse=FROZEN)),
        ("embedding, fine frozen", replace(settings.embedding, fine=FROZEN)),
    ):
        form = Embedding(part_settings, chosen.stiffness, vocabulary.axes, chosen.start)
        yield name, try_form(form, known, new, folds=2, own_offset=own_offset(known, new, settings)).columns
    if (name_scores(known, new, vocabulary) >= asked_of_names(new.shots, settings.name_gate)).all():
        shipped = prefer(list(tried.values()))
        taken.append(shipped.form)
        yield "shipped", shipped.columns
    else:
        addition = add_classes(known, new, settings, vocabulary=vocabulary)
        nameless = sum(not added.name_means_something for added in addition.classes)
        taken.append(f"{addition.form} ({nameless} nameless)")
        yield "shipped", addition.columns


def figures_of_columns(task: Task, columns: Columns, of_class: int | None) -> dict[str, float]:
    known, new = task.queries
    if of_class is not None:
        mine = new[2] == of_class
        new = (new[0][mine], new[1][mine], new[2][mine] * 0)
    scale = task.known.logit_scale
    return _figures(
        (known[1], columns.scores(known[0], scale), known[2]),
        (new[1], columns.scores(new[0], scale), new[2]),
        known[1].argmax(1),
    )


def figures_of_retrain(task: Task, new: NewClasses) -> dict[str, float]:
    known_scores, new_scores = task.retrain(new)
    known, others = task.queries
    n = task.known.n_classes
    return _figures(
        (known_scores[:, :n], known_scores[:, n:], known[2]),
        (new_scores[:, :n], new_scores[:, n:], others[2]),
        known[1].argmax(1),
    )


def _figures(
    known: tuple[Tensor, Tensor, Tensor], new: tuple[Tensor, Tensor, Tensor], before: Tensor
) -> dict[str, float]:
    curve = seen_unseen(known, new, known[0].shape[1], new[1].shape[1])
    shares = 1 / torch.bincount(known[2]).double()[known[2]]
    base_before = float((shares * (before == known[2])).sum() / shares.sum())
    base, found = curve.at_zero
    return {
        "base": 100 * base,
        "new": 100 * found,
        "harmonic": 100 * curve.harmonic_at_zero,
        "drop": 100 * (base_before - base),
        "ausuc": 100 * curve.area,
    }


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Markdown: one table a mode and number of photos; means over splits, then over sets."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    for mode in dict.fromkeys(row["mode"] for row in rows):
        for shots in dict.fromkeys(row["shots"] for row in rows):
            here = [row for row in rows if row["mode"] == mode and row["shots"] == shots]
            print(f"\n{'all at once' if mode == 'all' else 'one at a time'}, {shots} photo{'s' if shots > 1 else ''}\n")
            print(
                "| option | base | new | harmonic | drop | AUSUC |",
                " | ".join(f"{name}: H (drop)" for name in sets),
                "|",
            )
            print("|---" + "|---:" * (5 + len(sets)) + "|")
            for option in dict.fromkeys(row["option"] for row in here):
                found = {name: [row for row in here if row["option"] == option and row["set"] == name] for name in sets}
                keys = ("base", "new", "harmonic", "drop", "ausuc")
                means = {
                    name: {key: mean(row[key] for row in members) for key in keys}
                    for name, members in found.items()
                    if members
                }
                overall = [f"{mean(one[key] for one in means.values()):.1f}" for key in keys]
                cells = [
                    f"{means[name]['harmonic']:.1f} ({means[name]['drop']:.1f})" if name in means else ""
                    for name in sets
                ]
                print(f"| {option} |", " | ".join(overall + cells), "|")
    taken = defaultdict(list)
    for row in rows:
        for form in row["taken"]:
            taken[row["mode"], row["shots"]].append(form.split(" (")[0])
    for (mode, shots), forms in taken.items():
        counts = {form: forms.count(form) for form in sorted(set(forms))}
        print(f"\nshipped, {mode}, {shots}: " + ", ".join(f"{form} {count}" for form, count in counts.items()))


if __name__ == "__main__":
    main()
