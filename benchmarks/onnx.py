"""One ONNX file beside the classifier: every head, with added classes, in batches of 1, 2 and 32.

python -m benchmarks.onnx [--backbones embedded ViT-B-32] [--heads map_lr ldc ...] [--rounds 3]

Photos are drawn: six classes of four photos, and two classes added beside them. ViT-B-32 has random weights. How far a
probability is from the classifier's, on the photos it was made from and on noise, which no classifier has seen the like of; how
many first answers are the same; and milliseconds a photo of whole batches, medians of rounds that go through both in turn,
one thread each. *Itself*: how far the classifier's own answers to noise, asked alone and in a batch of 32, are apart.
Times are those of heads of each kind.
"""

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.lib.random_backbone import backbone_for_times
from components.backbone import Backbone, Encoded
from components.bank import AddedClass, Answering, Bank, ColumnFitter
from components.classifier import HEADS, Bundle, SupportRecord, choose, fit_candidates
from components.errors import ShotlineError
from components.export.graph import PixelsToAnswer
from components.export.half import in_half_precision
from components.export.onnx_file import PRECISIONS, onnx_model, require_loadable
from components.export.recipes.answer import prepared
from components.features import class_embeddings, level_features
from components.heads import Head, Support
from components.ingest import Limits, load_image, words_of
from components.ldc import LdcSettings, fit_ldc
from components.liteembed import LiteEmbedSettings
from components.sample.draw import draw_sample
from components.sample.sample_classes import CLASSES

_SHOTS, _TRAINED, _ADDED = 4, 6, 2
_BATCHES = (1, 2, 32)
_PRECISIONS = ("fp32", "fp16")
_AT_MOST = 8  # batches: what is asked one by one are a few of the photos
_NOISE = 32
_TIMED = ("map_lr", "linear_probe_levels", "ldc")  # the others' products take no time beside the backbone's
_LDC = ("ldc", "ldc pooled")
_TEMPLATES = ("a photo of a {}.",)

Pixels = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=["embedded", "ViT-B-32"])
    parser.add_argument("--heads", nargs="+", default=[*HEADS, "ldc pooled"])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="shotline-benchmark-") as folder:
        draw_sample(Path(folder), classes=CLASSES[: _TRAINED + _ADDED], photos_per_class={"train": _SHOTS})
        tasks = [Task(backbone_for_times(name), name, Path(folder)) for name in arguments.backbones]
    rows, times, sizes = [], [], []
    for task in tasks:
        for head in arguments.heads:
            row, taken, megabytes = compared(task, head, arguments.rounds)
            rows.append(row)
            times += [taken] if taken else []
            print(" ".join(row), file=sys.stderr, flush=True)
            sizes += [megabytes] if head == arguments.heads[0] else []
    show(("backbone", "head", *_columns("fp32"), *_columns("fp16"), "noise, fp32", "noise, itself"), rows)
    show(("backbone", "head", *(f"{who}, {batch}" for batch in _BATCHES for who in ("PyTorch", *_PRECISIONS))), times)
    show(("backbone", *(f"{precision}, MB" for precision in _PRECISIONS)), sizes)


def _columns(precision: str) -> tuple[str, str]:
    return f"{precision} (bar {PRECISIONS[precision]:g})", f"same first answer, {precision}"


def show(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print("| " + " | ".join(header) + " |\n|---|---" + "|---:" * (len(header) - 2) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


class Task:
    """Drawn photos, encoded once for all heads.

    Attributes:
        photos: (n, side, side, 3) pixels of all photos, as the graph takes them; trained classes first.
        noise: as many pixels as `_NOISE` photos have, drawn evenly.
    """

    def __init__(self, backbone: Backbone, name: str, folder: Path) -> None:
        self.backbone, self.name = backbone, name
        files = sorted(folder.rglob("*.jpg"), key=lambda file: (_place(file.parent.name), file.name))
        preprocessing = backbone.identity.preprocessing
        self.photos = np.stack([prepared(load_image(file), preprocessing) for file in files])
        self.noise = np.random.default_rng(0).integers(0, 256, (_NOISE, *self.photos.shape[1:]), dtype=np.uint8)
        self._encoded: dict[tuple[str, int], list[Encoded]] = {}

    def encoded(self, what: str, batch: int) -> list[Encoded]:
        """Features of `photos` or `noise`, batch by batch, by PyTorch."""
        if (what, batch) not in self._encoded:
            pixels = self.photos[: _AT_MOST * batch] if what == "photos" else self.noise
            self._encoded[what, batch] = [
                self.backbone.encode_images(torch.stack([self._preprocessed(each) for each in part]), levels=True)
                for part in _parts(pixels, batch)
            ]
        return self._encoded[what, batch]

    def _preprocessed(self, pixels: Pixels) -> torch.Tensor:
        return self.backbone.preprocess(Image.fromarray(pixels))  # of its size already: neither resized nor cropped

    def answers(self, bundle: Bundle, bank: Bank, what: str, batch: int) -> NDArray[np.float32]:
        """The classifier's probabilities."""
        answering = Answering.of(bundle, bank)
        features = [level_features(each, bundle.head.level_mode) for each in self.encoded(what, batch)]
        return np.concatenate([answering.answer(each).probabilities.numpy() for each in features])


def _place(name: str) -> int:
    return [each.name for each in CLASSES].index(name)


def _parts(pixels: Pixels, batch: int) -> list[Pixels]:
    return [pixels[start : start + batch] for start in range(0, len(pixels), batch)]


def classifier_of(task: Task, head: str) -> tuple[Bundle, Bank]:
    """A bundle with that head, calibrated on its folds, and a bank with the added classes."""
    backbone = task.backbone
    names = [each.name for each in CLASSES[: _TRAINED + _ADDED]]
    parts = [level_features(each, "grid") for each in task.encoded("photos", _BATCHES[-1])]
    features = type(parts[0]).concatenate(parts)
    n = _TRAINED * _SHOTS
    support = dataclasses.replace(
        Support.of_images(
            features[slice(0, n)],
            torch.arange(_TRAINED).repeat_interleave(_SHOTS),
            _TRAINED,
            text_embeddings=class_embeddings([words_of(name) for name in names[:_TRAINED]], _TEMPLATES, backbone),
            logit_scale=backbone.logit_scale,
            covariance=backbone.covariance,
            pool=features.embedding[n:],
        ),
        projector=backbone.projector,
    )
    candidates = fit_candidates(support, ["map_lr" if head in _LDC else head])
    choice = choose(candidates, support)
    fitted = brief_ldc(support, head) if head in _LDC else choice.head
    bundle = Bundle(
        class_names=tuple(names[:_TRAINED]),
        display_names=tuple(words_of(name) for name in names[:_TRAINED]),
        head=fitted,
        temperature=choice.temperature,
        threshold=choice.threshold,
        backbone=dataclasses.asdict(backbone.identity),
        logit_scale=support.logit_scale,
        templates=_TEMPLATES,
        split={name: [f"{name}-{shot}" for shot in range(_SHOTS)] for name in names[:_TRAINED]},
        why=choice.why,
        evidence=choice.evidence,
        support=SupportRecord(
            support.features.embedding,
            support.labels,
            support.groups,
            choice.out_of_fold,
            fitted.scores(support.features),
            support.covariance,
        ),
        limits=Limits(),
        text_embeddings=support.text_embeddings,
        provenance={"seed": support.seed},
    )
    added = [f"{number}" for number in range(n, len(features))]
    fitter = ColumnFitter(
        bundle,
        backbone,
        lambda photos: features[torch.tensor([int(photo) for photo in photos])],
        LiteEmbedSettings(vocabulary="starter"),
        lambda kind: None,
    )
    classes = [
        AddedClass(name, tuple(added[place * _SHOTS : (place + 1) * _SHOTS]), "2026-01-01T00:00:00+00:00", place + 1)
        for place, name in enumerate(names[_TRAINED:])
    ]
    return bundle, fitter(Bank.empty(bundle), classes, "").bank


def brief_ldc(support: Support, head: str) -> Head:
    """LDC, trained for as long as its numbers need to be no longer those it starts with."""
    mode = "pooled" if head == "ldc pooled" else "grid"
    settings = LdcSettings(epochs=10, fusion=2, learning_rate=1e-3, l1_weight=0.0, level_mode=mode)
    return fit_ldc(support, settings, out_of_fold=False).head


def compared(task: Task, head: str, rounds: int) -> tuple[list[str], list[str], list[str]]:
    """Of a head: how its exports answer, how long they take, and (of the backbone) how large they are."""
    bundle, bank = classifier_of(task, head)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions, sizes, row = {}, [], [task.name, head]
    model = onnx_model(bundle, bank, task.backbone)
    for precision in _PRECISIONS:
        content = (in_half_precision(model) if precision == "fp16" else model).SerializeToString()
        sizes.append(f"{len(content) / 1e6:.1f}")
        try:
            require_loadable(content, task.name)
        except ShotlineError:
            continue
        sessions[precision] = onnxruntime.InferenceSession(content, options)
    for precision in _PRECISIONS:
        if precision not in sessions:
            row += ["refused: it cannot be loaded", ""]
            continue
        session = sessions[precision]
        furthest, same = 0.0, len(task.photos)
        for batch in _BATCHES:
            own = task.answers(bundle, bank, "photos", batch)
            found = answered(session, task.photos[: _AT_MOST * batch], batch)
            furthest = max(furthest, float(np.abs(found - own).max()))
            same = min(same, len(task.photos) - int((found.argmax(1) != own.argmax(1)).sum()))
        row += [f"{furthest:.1e}", f"{same} of {len(task.photos)}"]
    own = task.answers(bundle, bank, "noise", _NOISE)
    row.append(f"{np.abs(answered(sessions['fp32'], task.noise, _NOISE) - own).max():.1e}")
    row.append(f"{np.abs(task.answers(bundle, bank, 'noise', 1) - own).max():.1e}")
    if head not in _TIMED:
        return row, [], [task.name, *sizes]
    times = timed(PixelsToAnswer(task.backbone, bundle, bank).eval(), sessions, task.photos, rounds)
    return row, [task.name, head, *times], [task.name, *sizes]


def answered(session: onnxruntime.InferenceSession, pixels: Pixels, batch: int) -> NDArray[np.float32]:
    found: list[NDArray[np.float32]] = [
        session.run(["probabilities"], {"photos": part})[0] for part in _parts(pixels, batch)
    ]
    return np.concatenate(found)


def timed(
    own: PixelsToAnswer, sessions: dict[str, onnxruntime.InferenceSession], photos: Pixels, rounds: int
) -> list[str]:
    """Milliseconds a photo: for each batch of PyTorch and of each session."""
    cells = []
    for batch in _BATCHES:
        pixels = photos[:batch]
        runs: list[Callable[[], object]] = [lambda pixels=pixels: own(torch.from_numpy(pixels))]
        runs += [
            lambda session=session, pixels=pixels: session.run(["probabilities"], {"photos": pixels})
            for session in sessions.values()
        ]
        missing = [""] * (len(_PRECISIONS) - len(sessions))
        rows = [[milliseconds(run) for run in runs] for _ in range(rounds + 1)]
        cells += [f"{statistics.median(column[1:]) / batch:.1f}" for column in zip(*rows, strict=True)] + missing
    return cells


@torch.inference_mode()
def milliseconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
