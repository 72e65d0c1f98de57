"""Figures of the embedded CLIP's model card; run from the repository's root.

python benchmarks/embedded.py --model models/embedded --pictures DIR --lexicon FILE --caltech DIR --neu DIR [--only ROW]

Each row is printed as one JSON line. Rows: zero_shot, unseen (with --left-out), text, text_pairs, caltech, neu_det, speed.
"""

import argparse
import csv
import io
import json
import statistics
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn import functional as F

from components.pretrain.architecture import load, tokenise
from components.pretrain.parameters import PretrainParameters, TextPlacement
from components.pretrain.placement import Placement
from components.pretrain.recipe import gather_texts
from components.pretrain.sentences import SentenceEncoder, packaged_folder
from components.pretrain.text import embed_texts
from components.pretrain.vocabulary import phrases, read_lexicon, whole_words

LEVELS = ("level1", "level2", "level3", "level4")
TEMPLATE = "a photo of a {}"


def row(name: str, **facts: Any) -> None:
    """Print one result."""
    print(json.dumps({"row": name, **facts}), flush=True)


@torch.no_grad()
def features_of(model: Any, preprocess: Any, images: Sequence[Callable[[], Image.Image]]) -> dict[str, Tensor]:
    """Unit-length embeddings and average-pooled levels of images, by name, `(n, width)`."""
    parts: dict[str, list[Tensor]] = {name: [] for name in ("embedding", *LEVELS)}
    for start in range(0, len(images), 128):
        pixels = torch.stack([preprocess(read()) for read in images[start : start + 128]])
        found = model.visual.forward_intermediates(pixels)
        parts["embedding"].append(F.normalize(found["image_features"], dim=1))
        for name, maps in zip(LEVELS, found["image_intermediates"][1:], strict=True):
            parts[name].append(maps.mean(dim=(2, 3)))
    return {name: torch.cat(chunks) for name, chunks in parts.items()}


def opened(path: Path) -> Callable[[], Image.Image]:
    """Reads an image file when called."""
    return lambda: Image.open(path).convert("RGB")


def top_k(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Top-1 and top-5 in percent."""
    best = scores.topk(5, dim=1).indices
    hits = best == labels[:, None]
    return {
        "top1": round(100 * hits[:, 0].float().mean().item(), 2),
        "top5": round(100 * hits.any(dim=1).float().mean().item(), 2),
    }


def zero_shot(
    model: Any,
    preprocess: Any,
    pictures: Path,
    context: int,
    left_out: Sequence[str],
    others: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Rows 1 and 2: the held-out pictures of the training dataset, by name alone.

    `others` are names of classes without any pictures, by where they come from; 30 of one source at a time stand beside the
    left-out classes.
    """
    with (pictures / "classes.csv").open(newline="", encoding="utf-8") as file:
        classes = [(line["folder"], line["name"]) for line in csv.DictReader(file)]
    folders = [folder for folder, _ in classes]
    with zipfile.ZipFile(pictures / "val.zip") as archive:
        members = sorted(name for name in archive.namelist() if not name.endswith("/"))

        def reader(member: str) -> Callable[[], Image.Image]:
            return lambda: Image.open(io.BytesIO(archive.read(member))).convert("RGB")

        images = features_of(model, preprocess, [reader(member) for member in members])["embedding"]
    labels = torch.tensor([folders.index(member.split("/")[-2]) for member in members])
    texts = embed_texts(model, [TEMPLATE.format(name.lower()) for _, name in classes], context)
    row("zero_shot", classes=len(classes), images=len(labels), **top_k(images @ texts.T, labels))
    if left_out:
        chosen = torch.tensor([folders.index(folder) for folder in left_out])
        mask = torch.isin(labels, chosen)
        place = torch.full((len(folders),), -1).scatter(0, chosen, torch.arange(len(chosen)))
        among = top_k(images[mask] @ texts[chosen].T, place[labels[mask]])
        row("unseen_among_themselves", classes=len(chosen), **among)
        row("unseen_among_all", classes=len(folders), **top_k(images[mask] @ texts.T, labels[mask]))
    for source, names in (others or {}).items() if left_out else ():
        beside = embed_texts(model, [TEMPLATE.format(name.lower()) for name in names], context)
        draw, found = torch.Generator().manual_seed(0), []
        for _ in range(20):
            both = torch.cat([texts[chosen], beside[torch.randperm(len(names), generator=draw)[:30]]])
            found.append(top_k(images[mask] @ both.T, place[labels[mask]]))
        means = {key: round(statistics.mean(each[key] for each in found), 2) for key in found[0]}
        row("unseen_among_50", beside=source, classes=len(chosen) + 30, draws=len(found), **means)


def text_tower(model: Any, lexicon_path: Path, context: int, basis_width: int) -> None:
    """Row 3: cosines with the lexicon's vectors, both centred on their means."""
    lexicon = read_lexicon(lexicon_path)
    found = embed_texts(model, [f"{template} {name}" for name, template, _ in lexicon.entries], context)
    wanted = lexicon.vectors - lexicon.mean
    found = found - found.mean(dim=0)
    # What a projection of the tower's width can reach at best, and the targets within the tower's own span.
    main = torch.linalg.svd(wanted, full_matrices=False)[2][:basis_width]
    span = torch.linalg.qr(model.text_projection.detach().float().T)[0]
    row(
        "text",
        names=len(lexicon.entries),
        cosine=round(F.cosine_similarity(found, wanted).mean().item(), 4),
        cosine_within_span=round(F.cosine_similarity(found, wanted @ span @ span.T).mean().item(), 4),
        best_of_this_width=round(F.cosine_similarity(wanted @ main.T @ main, wanted).mean().item(), 4),
    )


def text_pairs(model: Any, lexicon_path: Path, context: int, seed: int = 99) -> None:
    """Row 3: the tower's cosines with the map's, on pairs of phrases that nothing was distilled on."""
    lexicon = read_lexicon(lexicon_path)
    from components.pretrain.architecture import word_tokens

    encoder = SentenceEncoder(packaged_folder())
    fresh = phrases(list(lexicon.names), whole_words(word_tokens()), 4000, seed)
    known = set(gather_texts(PretrainParameters(), lexicon.names, ()))
    texts = [text for text in fresh if text not in known]
    names = list(lexicon.names)
    placement = Placement(TextPlacement()).fit(names, encoder.encode(names), lexicon.cores)
    wanted = F.normalize(placement.place(texts, encoder.encode(texts)), dim=1)
    found = F.normalize(embed_texts(model, [f"a {text}" for text in texts], context) - lexicon.mean, dim=1)
    draw = np.random.default_rng(seed)
    first, second = draw.integers(0, len(texts), (2, 5000))
    ranks = [
        np.argsort(np.argsort((vectors[first] * vectors[second]).sum(dim=1).numpy())) for vectors in (found, wanted)
    ]
    row(
        "text_pairs",
        texts=len(texts),
        pairs=5000,
        spearman=round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 4),
        cosine=round((found * wanted).sum(dim=1).mean().item(), 4),
    )


def placement_left_out(lexicon_path: Path, seeds: int = 3) -> None:
    """Row 3: the map itself on lexicon names that it was not fitted on, against the linear one."""
    lexicon = read_lexicon(lexicon_path)
    names, n = list(lexicon.names), len(lexicon.names)
    sentences = SentenceEncoder(packaged_folder()).encode(names)
    results: dict[str, list[float]] = {"map": [], "linear": []}
    for seed in range(seeds):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        out, rest = order[:400], order[400:]
        placement = Placement(TextPlacement()).fit([names[i] for i in rest], sentences[rest], lexicon.cores[rest])
        placed = placement.place([names[i] for i in out], sentences[out])
        centre = sentences[rest].mean(dim=0)
        known = sentences[rest] - centre
        weights = torch.linalg.solve(known.T @ known + 3 * torch.eye(known.shape[1]), known.T @ lexicon.cores[rest])
        linear = (sentences[out] - centre) @ weights
        results["map"].append(F.cosine_similarity(placed, lexicon.cores[out]).mean().item())
        results["linear"].append(F.cosine_similarity(linear, lexicon.cores[out]).mean().item())
    row("placement_left_out", **{name: round(statistics.mean(values), 4) for name, values in results.items()})


def probe(name: str, train: dict[str, Tensor], test: dict[str, Tensor], ys: list[Tensor], shots: int) -> None:
    """Logistic regression on `shots` training images a class, three seeds; each level, all, and the embedding."""
    train_y, test_y = ys
    for kind in ("embedding", *LEVELS, "all_levels"):
        accuracies = []
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            rows = torch.cat(
                [
                    members[torch.randperm(len(members), generator=generator)[:shots]]
                    for members in (torch.nonzero(train_y == label).flatten() for label in torch.unique(train_y))
                ]
            )
            columns = LEVELS if kind == "all_levels" else (kind,)
            fit = torch.cat([train[column][rows] for column in columns], dim=1)
            mean, spread = fit.mean(dim=0), fit.std(dim=0) + 1e-6
            query = torch.cat([test[column] for column in columns], dim=1)
            head = LogisticRegression(C=0.01 if kind == "all_levels" else 0.03, max_iter=300)
            head.fit(((fit - mean) / spread).numpy(), train_y[rows].numpy())
            accuracies.append(100 * head.score(((query - mean) / spread).numpy(), test_y.numpy()))
        row(
            name,
            shots=shots,
            features=kind,
            top1=round(statistics.mean(accuracies), 2),
            spread=round(statistics.stdev(accuracies), 2),
        )


def caltech(model: Any, preprocess: Any, folder: Path, context: int) -> None:
    """Row 4: linear probes, 16 shots; beside them zero-shot by the classes' names."""
    split = json.loads((folder / "split_zhou_Caltech101.json").read_text(encoding="utf-8"))
    sides = []
    for part in ("train", "test"):
        paths = [folder / "101_ObjectCategories" / entry[0] for entry in split[part]]
        found = features_of(model, preprocess, [opened(path) for path in paths])
        sides.append((found, torch.tensor([entry[1] for entry in split[part]])))
    (train, train_y), (test, test_y) = sides
    with (folder / "classes.csv").open(newline="", encoding="utf-8") as file:
        names = [line["name"] for line in csv.DictReader(file)]
    texts = embed_texts(model, [TEMPLATE.format(name.lower()) for name in names], context)
    row("caltech_zero_shot", classes=len(names), **top_k(test["embedding"] @ texts.T, test_y))
    probe("caltech", train, test, [train_y, test_y], shots=16)


def neu_det(model: Any, preprocess: Any, folder: Path) -> None:
    """Row 4: linear probes, 5 shots."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    classes = sorted({line["class"] for line in lines})
    sides = []
    for part in ("train", "test"):
        chosen = [line for line in lines if line["split"] == part]
        found = features_of(model, preprocess, [opened(folder / line["path"]) for line in chosen])
        sides.append((found, torch.tensor([classes.index(line["class"]) for line in chosen])))
    (train, train_y), (test, test_y) = sides
    probe("neu_det", train, test, [train_y, test_y], shots=5)


@torch.no_grad()
def speed(model: Any, side: int, context: int, threads: int) -> None:
    """Row 5: the image tower's forward pass in batches of 64, the text tower's on 64 prompts; medians of 7."""
    torch.set_num_threads(threads)
    pixels = torch.randn(64, 3, side, side)
    tokens = tokenise([TEMPLATE.format("dog")] * 64, context)
    rates = {}
    for name, run in (
        ("images_per_s", lambda: model.visual(pixels)),
        ("texts_per_s", lambda: text_pass(model, tokens)),
    ):
        run()
        seconds = []
        for _ in range(7):
            started = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - started)
        rates[name] = round(64 / statistics.median(seconds), 1)
    row("speed", threads=threads, **rates)


def text_pass(model: Any, tokens: Tensor) -> Tensor:
    """One pass of the text tower at the full context length, as open_clip runs it."""
    padded = F.pad(tokens, (0, model.context_length - tokens.shape[1]))
    embeddings: Tensor = model.encode_text(padded)
    return embeddings


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/embedded"))
    parser.add_argument("--pictures", type=Path, help="folder of Tiny ImageNet")
    parser.add_argument("--lexicon", type=Path, help="text_lexicon.npz")
    parser.add_argument("--caltech", type=Path)
    parser.add_argument("--neu", type=Path)
    parser.add_argument("--left-out", nargs="*", default=[], help="class folders that the model saw no picture of")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="rows to measure; default: all that have their data")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model, preprocess = load(given.model)
    context = model.context_length
    rows: dict[str, tuple[bool, Callable[[], None]]] = {
        "zero_shot": (
            given.pictures is not None,
            lambda: zero_shot(model, preprocess, given.pictures, context, given.left_out),
        ),
        "text": (
            given.lexicon is not None,
            lambda: text_tower(model, given.lexicon, context, model.text_projection.shape[0]),
        ),
        "text_pairs": (given.lexicon is not None, lambda: text_pairs(model, given.lexicon, context)),
        "placement": (given.lexicon is not None, lambda: placement_left_out(given.lexicon)),
        "caltech": (given.caltech is not None, lambda: caltech(model, preprocess, given.caltech, context)),
        "neu_det": (given.neu is not None, lambda: neu_det(model, preprocess, given.neu)),
        "speed": (True, lambda: speed(model, model.visual.image_size, context, given.threads)),
    }
    for name, (possible, measure) in rows.items():
        if possible and (not given.only or name in given.only):
            measure()


if __name__ == "__main__":
    main()
