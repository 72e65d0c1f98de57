"""Photos of other sets and spoilt photos beside photos of the same set: alarms, and what leaning back to zero-shot would give.

    python benchmarks/shift.py --sets DIR [--shots 8] [--query 300] [--draws 200] [--cache FILE.npz] [--json FILE]

The first row of each set is of training photos that were held out, the same source as what was learnt from; test photos may
come from elsewhere, as the Grocery Store's come from other shops.

DIR holds the unpacked sets caltech101, neu_det and grocery_store; the embedded backbone encodes `--shots` training photos a
class and `--query` test photos of each, and 200 of those spoilt in six ways (`--cache` keeps the embeddings). In percent:
alarms on `--draws` draws of 32 photos, by what is on them and by how they look (`components.evaluate.appearance`), AUROC
of the distance between draws from home and from elsewhere, and top-1 of MAP-LR, of zero-shot, and of both leant together:
log-probabilities mixed by the photo's rank among the learnt ones, from MAP-LR alone up to rank 0.95 to zero-shot alone
from rank 1 on.
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor

from components.backbone import Backbone, load_backbone
from components.classifier import choose, fit_candidates
from components.evaluate.appearance import Appearance, appearance_of, changes
from components.evaluate.shift import Home
from components.features import Features
from components.heads import Support

MODELS = Path(__file__).resolve().parents[1] / "models"
SETS = ("caltech101", "neu_det", "grocery_store")
SPOILT = ("blur", "noise", "dark", "jpeg10", "grey", "sketch")
N_SPOILT, DRAWN, FAR = 200, 32, 0.95
LOOKED_AT = 200  # learnt photos whose light and the like is compared, as `shotline shift` does


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--query", type=int, default=300)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, Any] = {}
    if arguments.cache is not None and arguments.cache.is_file():
        rows = dict(np.load(arguments.cache))
    fill(rows, arguments.sets, arguments.shots, arguments.query)
    if arguments.cache is not None:
        np.savez(arguments.cache, **rows)
    table = [row for name in SETS if f"{name}_train_x" in rows for row in measure(rows, name, arguments.draws)]
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, "rows": table}, indent=1) + "\n")
    print("| home | photos | by things | by looks | alarms % | AUROC | MAP-LR | zero-shot | leant |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in table:
        shown = ("things", "looks", "alarms", "auroc", "head", "zero", "leant")
        cells = [f"{row[key]:.1f}" if row[key] is not None else "" for key in shown]
        print(f"| {row['home']} | {row['photos']} | {' | '.join(cells)} |")


def measure(rows: dict[str, Any], name: str, n_draws: int) -> list[dict[str, Any]]:
    """A row for each kind of photos that are asked about, the set's own first."""
    x, y = torch.from_numpy(rows[f"{name}_train_x"]).float(), torch.from_numpy(rows[f"{name}_train_y"])
    text = torch.from_numpy(rows[f"{name}_text"]).float()
    home = Home(x, y)
    support = Support.of_images(Features(x), y, len(text), text_embeddings=text, logit_scale=float(rows["scale"]))
    heads = {}
    for candidate in fit_candidates(support, ["zero_shot", "map_lr"]):
        heads[candidate.name] = choose([candidate], support)
    labels = torch.from_numpy(rows[f"{name}_test_y"])
    random = np.random.default_rng(0)
    at_home = _further(rows, name, f"{name}_test", home, n_draws, random)
    held_out = _held_out(rows, name, n_draws, np.random.default_rng(1))  # the other rows stay as they were drawn
    found = [
        {
            **{"home": name, "photos": "training photos held out"},
            **dict.fromkeys(("auroc", "head", "zero", "leant")),
            "things": 100 * float(np.mean([things for things, _ in held_out])),
            "looks": 100 * float(np.mean([looks for _, looks in held_out])),
            "alarms": 100 * float(np.mean([things or looks for things, looks in held_out])),
        }
    ]
    kinds = [name, *(f"{name}_{kind}" for kind in SPOILT), *(other for other in SETS if other != name)]
    for kind in kinds:
        key = f"{kind}_test" if kind in SETS else kind
        if f"{key}_x" not in rows:
            continue
        photos = torch.from_numpy(rows[f"{key}_x"]).float()
        draws = at_home if kind == name else _further(rows, name, key, home, n_draws, random)
        row: dict[str, Any] = {"home": name, "photos": kind.removeprefix(f"{name}_"), "head": None, "zero": None}
        row |= {"leant": None, "things": 100 * float(np.mean([things for things, _, _ in draws]))}
        row["looks"] = 100 * float(np.mean([looks for _, looks, _ in draws]))
        row["alarms"] = 100 * float(np.mean([things or looks for things, looks, _ in draws]))
        row["auroc"] = None if kind == name else 100 * _auroc([d for _, _, d in at_home], [d for _, _, d in draws])
        if kind not in SETS or kind == name:
            row |= _accuracy(heads, home, photos, labels[: len(photos)])
        found.append(row)
    return found


def _accuracy(heads: dict[str, Any], home: Home, photos: Tensor, labels: Tensor) -> dict[str, float]:
    logs = {
        name: torch.log_softmax(choice.head.scores(Features(photos)) / choice.temperature, 1)
        for name, choice in heads.items()
    }
    rank = home.shift(photos).rank
    lean = ((rank - FAR) / (1 - FAR)).clamp(0, 1)[:, None].float()
    leant = (1 - lean) * logs["map_lr"] + lean * logs["zero_shot"]

    def right(log: Tensor) -> float:
        return 100 * float((log.argmax(1) == labels).double().mean())

    return {"head": right(logs["map_lr"]), "zero": right(logs["zero_shot"]), "leant": right(leant)}


def _further(
    rows: dict[str, Any], name: str, key: str, home: Home, n_draws: int, random: np.random.Generator
) -> list[tuple[bool, bool, float]]:
    """Of draws of 32 photos: alarm by what is on them or not, by how they look or not, and how much further off they lie."""
    photos = torch.from_numpy(rows[f"{key}_x"]).float()
    learnt, labels = _appearances(rows[f"{name}_train_looks"]), rows[f"{name}_train_y"].tolist()
    step = max(1, len(learnt) // LOOKED_AT)
    learnt, labels = learnt[::step], labels[::step]
    seen = _appearances(rows[f"{key}_looks"])
    found = []
    for _ in range(n_draws):
        chosen = random.choice(len(photos), DRAWN, replace=False)
        shift = home.shift(photos[chosen])
        looks = changes(learnt, [seen[row] for row in chosen], (labels, shift.classes.tolist()))
        found.append((shift.alarm, bool(looks), shift.further))
    return found


def _held_out(rows: dict[str, Any], name: str, n_draws: int, random: np.random.Generator) -> list[tuple[bool, bool]]:
    """Alarms on training photos, a third at most, that home has not learnt from: photos of the very same source."""
    x, y = torch.from_numpy(rows[f"{name}_train_x"]).float(), torch.from_numpy(rows[f"{name}_train_y"])
    looks = _appearances(rows[f"{name}_train_looks"])
    found = []
    for _ in range(n_draws):
        order = random.permutation(len(y))
        n_held = min(DRAWN, len(y) // 3)
        held, learnt = order[:n_held], np.sort(order[n_held:])  # by class, as what is looked at is drawn from
        shift = Home(x[learnt], y[learnt]).shift(x[held])
        seen = learnt[:: max(1, len(learnt) // LOOKED_AT)]
        labels = (y[seen].tolist(), shift.classes.tolist())
        found.append((shift.alarm, bool(changes([looks[row] for row in seen], [looks[row] for row in held], labels))))
    return found


def _appearances(rows: np.ndarray) -> list[Appearance]:
    return [Appearance(*row) for row in rows.tolist()]


def _auroc(home: list[float], away: list[float]) -> float:
    a, b = np.array(home)[:, None], np.array(away)[None]
    return float(((b > a) + 0.5 * (b == a)).mean())


def fill(rows: dict[str, Any], sets: Path, shots: int, n_query: int) -> None:
    """Add what is not cached yet: embeddings of each set's photos and of spoilt ones (`_x`), and how they look (`_looks`)."""
    from components.ingest import IngestSettings, ingest

    random = np.random.default_rng(0)
    backbone: Backbone | None = None

    def loaded() -> Backbone:
        nonlocal backbone
        backbone = backbone or load_backbone("embedded", models=MODELS, device="cpu", precision="fp32")
        return backbone

    def encoded(images: list[Image.Image]) -> np.ndarray:
        tower = loaded()
        parts = [
            tower.encode_images(torch.stack([tower.preprocess(image) for image in images[start : start + 32]]))
            for start in range(0, len(images), 32)
        ]
        return torch.cat([part.embedding.float() for part in parts]).numpy()

    def see(key: str, images: list[Image.Image]) -> None:
        if f"{key}_x" not in rows:
            rows[f"{key}_x"] = encoded(images)
        if f"{key}_looks" not in rows:
            rows[f"{key}_looks"] = np.array([astuple(appearance_of(image)) for image in images])

    if "scale" not in rows:
        rows["scale"] = np.array(float(loaded().logit_scale))
    for name in SETS:
        found = ingest(sets / name, settings=IngestSettings())
        words = {row["class"]: row["name"] for row in found.classes.to_pylist()}
        photos = [(row["path"], row["class"], row["split"]) for row in found.manifest.to_pylist()]
        classes = sorted(words)
        place = {label: number for number, label in enumerate(classes)}
        training = []
        for label in classes:
            own = [each for each in photos if each[1] == label and each[2] == "train"]
            training += [own[row] for row in random.permutation(len(own))[:shots]]
        test = [each for each in photos if each[2] == "test"]
        test = [test[row] for row in random.permutation(len(test))[:n_query]]
        for part, chosen in (("train", training), ("test", test)):
            images = [Image.open(sets / name / path).convert("RGB") for path, _, _ in chosen]
            see(f"{name}_{part}", images)
            rows[f"{name}_{part}_y"] = np.array([place[label] for _, label, _ in chosen])
        if f"{name}_text" not in rows:
            texts = [f"a photo of a {words[label]}." for label in classes]
            rows[f"{name}_text"] = loaded().encode_texts(texts).numpy()
        for kind in SPOILT:
            see(f"{name}_{kind}", [spoilt(image, kind) for image in images[:N_SPOILT]])


def spoilt(image: Image.Image, kind: str) -> Image.Image:
    """The photo in worse light, focus or form."""
    if kind == "blur":
        return image.filter(ImageFilter.GaussianBlur(2.0))
    if kind == "noise":
        noise = np.random.default_rng(1).normal(0, 40, (*image.size[::-1], 3))
        return Image.fromarray(np.clip(np.asarray(image, np.float32) + noise, 0, 255).astype(np.uint8))
    if kind == "dark":
        return Image.fromarray((np.asarray(image, np.float32) * 0.3).astype(np.uint8))
    if kind == "jpeg10":
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=10)
        return Image.open(buffer).convert("RGB")
    grey = image.convert("L")
    if kind == "grey":
        return grey.convert("RGB")
    edges = grey.filter(ImageFilter.GaussianBlur(0.8)).filter(ImageFilter.FIND_EDGES)
    return ImageOps.invert(ImageOps.autocontrast(edges)).convert("RGB")


if __name__ == "__main__":
    main()
