"""Figures of the embedded CLIP's model card; run from the repository's root.

python benchmarks/embedded.py [--model models/embedded] [--pictures DIR] [--lexicon FILE] [--caltech DIR] [--grocery DIR]
    [--neu DIR] [--sample DIR] [--beside tests/small_clip] [--only ROW]

Each row is printed as one JSON line; a row is measured where its data are given: zero_shot (Tiny ImageNet), text,
text_pairs, placement (the lexicon), caltech, grocery, neu_det, sample (as `shotline sample` draws it), speed. `--beside`
names a second model whose speed and size are measured in the same run.
"""

import argparse
import csv
import functools
import io
import itertools
import json
import statistics
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.backbone import load_backbone
from components.backbone.levels import read_levels
from components.features import Features
from components.heads import Support
from components.heads.linear_probe import LinearProbe, LinearProbeLevels
from components.pretrain.architecture import load
from components.pretrain.parameters import PretrainParameters, TextPlacement
from components.pretrain.placement import TextMap
from components.pretrain.recipe import gather_texts
from components.pretrain.sentences import SentenceEncoder, packaged_folder
from components.pretrain.text import embed_texts
from components.pretrain.vocabulary import phrases, read_lexicon, whole_words

BATCH = 16
LEVELS = ("level1", "level2", "level3", "level4")
TEMPLATE = "a photo of a {}"


def row(name: str, **facts: Any) -> None:
    """Print one result."""
    print(json.dumps({"row": name, **facts}), flush=True)


@torch.inference_mode()
def features_of(model: Any, preprocess: Any, images: Sequence[Callable[[], Image.Image]]) -> dict[str, Tensor]:
    """Unit-length embeddings and average-pooled levels of images, by name, `(n, width)`."""
    parts: dict[str, list[Tensor]] = {name: [] for name in ("embedding", *LEVELS)}
    for start in range(0, len(images), BATCH):
        pixels = torch.stack([preprocess(read()) for read in images[start : start + BATCH]])
        found = read_levels(model.visual, pixels.contiguous(memory_format=torch.channels_last))
        parts["embedding"].append(F.normalize(found.embedding, dim=1))
        for name, maps in zip(LEVELS, found.maps, strict=True):
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


def zero_shot(model: Any, preprocess: Any, pictures: Path, context: int, per_class: int = 10) -> None:
    """Held-out pictures of Tiny ImageNet, by name alone."""
    with (pictures / "classes.csv").open(newline="", encoding="utf-8") as file:
        classes = [(line["folder"], line["name"]) for line in csv.DictReader(file)]
    folders = [folder for folder, _ in classes]
    with zipfile.ZipFile(pictures / "val.zip") as archive:
        every = sorted(name for name in archive.namelist() if not name.endswith("/"))
        of = {folder: [name for name in every if name.split("/")[-2] == folder][:per_class] for folder in folders}
        members = [member for folder in folders for member in of[folder]]

        def reader(member: str) -> Callable[[], Image.Image]:
            return lambda: Image.open(io.BytesIO(archive.read(member))).convert("RGB")

        images = features_of(model, preprocess, [reader(member) for member in members])["embedding"]
    labels = torch.tensor([folders.index(member.split("/")[-2]) for member in members])
    by_name("zero_shot", model, context, [name for _, name in classes], images, labels)


def by_name(title: str, model: Any, context: int, names: Sequence[str], images: Tensor, labels: Tensor) -> None:
    """Print how many images are found by their class's name alone."""
    texts = embed_texts(model, [TEMPLATE.format(name.lower()) for name in names], context)
    row(title, classes=len(names), images=len(labels), **top_k(images @ texts.T, labels))


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
    placement = TextMap(TextPlacement()).fit(names, encoder.encode(names), lexicon.cores)
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
        placement = TextMap(TextPlacement()).fit([names[i] for i in rest], sentences[rest], lexicon.cores[rest])
        placed = placement.place([names[i] for i in out], sentences[out])
        centre = sentences[rest].mean(dim=0)
        known = sentences[rest] - centre
        weights = torch.linalg.solve(known.T @ known + 3 * torch.eye(known.shape[1]), known.T @ lexicon.cores[rest])
        linear = (sentences[out] - centre) @ weights
        results["map"].append(F.cosine_similarity(placed, lexicon.cores[out]).mean().item())
        results["linear"].append(F.cosine_similarity(linear, lexicon.cores[out]).mean().item())
    row("placement_left_out", **{name: round(statistics.mean(values), 4) for name, values in results.items()})


def probes(
    name: str, train: dict[str, Tensor], test: dict[str, Tensor], ys: list[Tensor], shots: Sequence[int]
) -> None:
    """The product's linear probe on the embedding and on each level, three draws; all levels beside the embedding too."""
    train_y, test_y = ys
    for kind, n_shots in itertools.product(("embedding", *LEVELS, "all_levels"), shots):
        if kind != "embedding" and n_shots != max(shots):
            continue
        accuracies = []
        for seed in range(3):
            generator = torch.Generator().manual_seed(seed)
            rows = torch.cat(
                [
                    members[torch.randperm(len(members), generator=generator)[:n_shots]]
                    for members in (torch.nonzero(train_y == label).flatten() for label in torch.unique(train_y))
                ]
            )
            levels = LEVELS if kind == "all_levels" else ()
            column = "embedding" if kind == "all_levels" else kind
            fit, query = (
                Features(F.normalize(side[column], dim=1), tuple(side[level] for level in levels))
                for side in (train, test)
            )
            head = (LinearProbeLevels if levels else LinearProbe)().fit(support_of(fit[rows], train_y[rows], seed))
            accuracies.append(100 * (head.scores(query).argmax(1) == test_y).float().mean().item())
        spread = round(statistics.stdev(accuracies), 2)
        row(name, shots=n_shots, features=kind, top1=round(statistics.mean(accuracies), 2), spread=spread)


def support_of(features: Features, labels: Tensor, seed: int) -> Support:
    """A support set of one view an image."""
    n, n_classes = len(labels), int(labels.max()) + 1
    numbers = torch.arange(n)
    return Support(features, labels, numbers, numbers, torch.zeros(n, dtype=torch.long), n_classes, seed=seed)


def caltech(model: Any, preprocess: Any, folder: Path, context: int) -> None:
    """Caltech101 with CoOp's split: linear probes, and zero-shot by the classes' names."""
    split = json.loads((folder / "split_zhou_Caltech101.json").read_text(encoding="utf-8"))
    sides = []
    for part in ("train", "test"):
        paths = [folder / "101_ObjectCategories" / entry[0] for entry in split[part]]
        found = features_of(model, preprocess, [opened(path) for path in paths])
        sides.append((found, torch.tensor([entry[1] for entry in split[part]])))
    (train, train_y), (test, test_y) = sides
    with (folder / "classes.csv").open(newline="", encoding="utf-8") as file:
        names = [line["name"] for line in csv.DictReader(file)]
    by_name("caltech_zero_shot", model, context, names, test["embedding"], test_y)
    probes("caltech", train, test, [train_y, test_y], shots=(1, 4, 16))


def listed(name: str, model: Any, preprocess: Any, folder: Path, shots: Sequence[int]) -> None:
    """A set with a manifest.csv (columns path, class, split): linear probes."""
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    classes = sorted({line["class"] for line in lines})
    sides = []
    for part in ("train", "test"):
        chosen = [line for line in lines if line["split"] == part]
        found = features_of(model, preprocess, [opened(folder / line["path"]) for line in chosen])
        sides.append((found, torch.tensor([classes.index(line["class"]) for line in chosen])))
    (train, train_y), (test, test_y) = sides
    probes(name, train, test, [train_y, test_y], shots)


def sample(model: Any, preprocess: Any, folder: Path, context: int) -> None:
    """The drawn inspection set: its test photos by their classes' names alone."""
    classes = sorted(path for path in (folder / "test").iterdir() if path.is_dir())
    photos = [(photo, label) for label, path in enumerate(classes) for photo in sorted(path.iterdir())]
    images = features_of(model, preprocess, [opened(photo) for photo, _ in photos])["embedding"]
    names = [path.name.replace("_", " ") for path in classes]
    by_name("sample_zero_shot", model, context, names, images, torch.tensor([label for _, label in photos]))


@torch.inference_mode()
def speed(folders: Sequence[Path], threads: int) -> None:
    """The image tower of each model, in turns: milliseconds a photo in batches of 16; medians of 7.

    Processor time beside wall time: the first is what other work on the machine changes less. "as open_clip runs it" is
    the first model without ours around it, its batch norms by themselves.
    """
    torch.set_num_threads(threads)
    sides, ways = {}, {}
    for folder in folders:
        backbone = load_backbone(str(folder.resolve()), models=folder, device="cpu")
        side = backbone.identity.preprocessing["size"]
        sides[folder.name] = tuple(side) if isinstance(side, list) else (side, side)
        ways[folder.name] = functools.partial(backbone.encode_images, levels=True)
    plain = f"{folders[0].name}, as open_clip runs it"
    tower = load(folders[0])[0].visual.to(memory_format=torch.channels_last)
    sides[plain] = sides[folders[0].name]
    ways[plain] = lambda pixels: tower(pixels.contiguous(memory_format=torch.channels_last))
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(8):
        for name, encode in ways.items():
            pixels = torch.randn(BATCH, 3, *sides[name])
            started = time.perf_counter(), time.process_time()
            encode(pixels)
            if turn:
                seconds[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    sizes = {each.name: sum(file.stat().st_size for file in each.glob("*.safetensors")) / 1e6 for each in folders}
    for name, times in seconds.items():
        wall, processor = (1000 * statistics.median(values) / BATCH for values in zip(*times, strict=True))
        row(
            "speed",
            model=name,
            threads=threads,
            ms_a_photo=round(wall, 1),
            processor_ms_a_photo=round(processor, 1),
            mb=round(sizes[name], 1) if name in sizes else None,
        )


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/embedded"))
    parser.add_argument("--pictures", type=Path, help="folder of Tiny ImageNet")
    parser.add_argument("--lexicon", type=Path, help="text_lexicon.npz")
    parser.add_argument("--caltech", type=Path)
    parser.add_argument("--grocery", type=Path)
    parser.add_argument("--neu", type=Path)
    parser.add_argument("--sample", type=Path, help="folder that `shotline sample` drew")
    parser.add_argument("--beside", type=Path, help="another model, for the row speed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="rows to measure; default: all that have their data")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model, preprocess = load(given.model)
    context = model.context_length
    rows: dict[str, tuple[bool, Callable[[], None]]] = {
        "zero_shot": (given.pictures is not None, lambda: zero_shot(model, preprocess, given.pictures, context)),
        "text": (
            given.lexicon is not None,
            lambda: text_tower(model, given.lexicon, context, model.text_projection.shape[0]),
        ),
        "text_pairs": (given.lexicon is not None, lambda: text_pairs(model, given.lexicon, context)),
        "placement": (given.lexicon is not None, lambda: placement_left_out(given.lexicon)),
        "caltech": (given.caltech is not None, lambda: caltech(model, preprocess, given.caltech, context)),
        "grocery": (
            given.grocery is not None,
            lambda: listed("grocery", model, preprocess, given.grocery, (1, 4, 16)),
        ),
        "neu_det": (given.neu is not None, lambda: listed("neu_det", model, preprocess, given.neu, (1, 5, 16))),
        "sample": (given.sample is not None, lambda: sample(model, preprocess, given.sample, context)),
        "speed": (True, lambda: speed([given.model, *([given.beside] if given.beside else [])], given.threads)),
    }
    for name, (possible, measure) in rows.items():
        if possible and (not given.only or name in given.only):
            measure()


if __name__ == "__main__":
    main()
