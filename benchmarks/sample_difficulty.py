"""How hard the sample set is: a linear probe on a backbone's embeddings of the drawn photos.

    python benchmarks/sample_difficulty.py --backbone models/embedded [--sample DIR | --sample-seed 0] [--shots 16] [--seeds 3]

Prints JSON: test accuracy per seed, its mean and spread, recall of each class, what is taken for what, zero-shot
accuracy from the class names. The probe is logistic regression; its regularisation is chosen by folds of the shots.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from threadpoolctl import threadpool_limits

from components.backbone import Backbone, load_backbone
from components.sample import draw_sample

BATCH = 64
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)


def read_split(folder: Path, backbone: Backbone) -> tuple[NDArray[Any], NDArray[Any]]:
    """Unit embeddings (n, d) and class names (n,) of a folder of class folders."""
    paths = sorted(folder.glob("*/*.jpg"))
    parts = []
    for start in range(0, len(paths), BATCH):
        photos = [backbone.preprocess(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH]]
        parts.append(backbone.encode_images(torch.stack(photos)).embedding.cpu().numpy())
    return np.concatenate(parts), np.array([path.parent.name for path in paths])


def choose_shots(labels: NDArray[Any], shots: int, seed: int) -> NDArray[Any]:
    """Indices of `shots` photos of each class."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(labels == name))[:shots] for name in np.unique(labels)])


def fit_probe(embeddings: NDArray[Any], labels: NDArray[Any], shots: int, seed: int) -> Any:
    """Logistic regression with the strength that folds of the shots like best."""
    model = LogisticRegression(max_iter=2000)
    if shots < 2:
        return model.set_params(C=10.0).fit(embeddings, labels)
    folds = StratifiedKFold(min(4, shots), shuffle=True, random_state=seed)
    return GridSearchCV(model, {"C": STRENGTHS}, cv=folds, scoring="neg_log_loss").fit(embeddings, labels)


def zero_shot(backbone: Backbone, embeddings: NDArray[Any], labels: NDArray[Any]) -> float:
    """Accuracy of the class names alone."""
    names = np.unique(labels)
    texts = backbone.encode_texts([f"a photo of a {name.replace('_', ' ')}." for name in names]).numpy()
    return float((names[(embeddings @ texts.T).argmax(axis=1)] == labels).mean())


def measure(backbone: Backbone, sample: Path, shots: int, seeds: int) -> dict[str, Any]:
    """The figures, fractions from 0 to 1."""
    train, train_labels = read_split(sample / "train", backbone)
    test, test_labels = read_split(sample / "test", backbone)
    accuracies, right, mistakes = [], Counter[str](), Counter[tuple[str, str]]()
    for seed in range(seeds):
        rows = choose_shots(train_labels, shots, seed)
        with threadpool_limits(1):  # the matrices are small: threads would only wait for one another
            answers = fit_probe(train[rows], train_labels[rows], shots, seed).predict(test)
        accuracies.append(float((answers == test_labels).mean()))
        right.update(str(name) for name in test_labels[answers == test_labels])
        mistakes.update((str(a), str(b)) for a, b in zip(test_labels, answers, strict=True) if a != b)
    shown = Counter(str(name) for name in test_labels)
    return {
        "shots": shots,
        "seeds": seeds,
        "linear_probe": {
            "top1": round(float(np.mean(accuracies)), 4),
            "spread": round(float(np.std(accuracies)), 4),
            "per_seed": [round(accuracy, 4) for accuracy in accuracies],
        },
        "zero_shot": round(zero_shot(backbone, test, test_labels), 4),
        "recall": {name: round(right[name] / (seeds * count), 3) for name, count in sorted(shown.items())},
        "taken_for": [[a, b, count] for (a, b), count in mistakes.most_common(12)],
    }


def main() -> None:
    """Draw the set if no folder of one is given, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="embedded", help="embedded, MODEL/TAG, or a folder (default: embedded)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="the folder that holds embedded/")
    parser.add_argument("--sample", type=Path, help="a sample set's folder (default: one is drawn)")
    parser.add_argument("--sample-seed", type=int, default=0, help="of the set that is drawn")
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    backbone = load_backbone(options.backbone, models=options.models)
    with tempfile.TemporaryDirectory() as drawn:
        sample = options.sample or Path(drawn)
        if options.sample is None:
            draw_sample(sample, seed=options.sample_seed)
        figures = measure(backbone, sample, options.shots, options.seeds)
    print(json.dumps({"backbone": options.backbone, "weights": backbone.identity.weights[:12], **figures}, indent=2))


if __name__ == "__main__":
    main()
