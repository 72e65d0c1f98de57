"""How long a class takes to add, beside a full retrain of the classifier.

    python benchmarks/add_speed.py KNOWN NEW [--known-shots 16] [--shots 5] [--threads 2] [--rounds 5]

KNOWN and NEW are photo sets (100 classes of Caltech101 and the Grocery Store set, say), encoded by the embedded
backbone before any clock runs. One class of NEW, then 50, into a MAP-LR on all classes of KNOWN: `add_classes` with
its defaults (every closed form and the form `embedding` with their evidence, gate of names, explanation), and the form
`embedding` alone. Beside it, in the same run: fitting all heads and choosing, as the stage classifier does, on all
classes of KNOWN and the new one. Medians after one round that is not counted, of wall and of processor seconds; where
the first are many times the second, the machine was busy with other things, and only the second say something. What is
learnt of the known classes once (covariance, loudness of names and photos) is learnt anew in each round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from lib.photo_sets import photo_set

from components.classifier import HEADS, choose, fit_candidate, fit_candidates, fit_temperature, held_out
from components.features.carriers import Features
from components.heads import Support
from components.liteembed import KnownClasses, LiteEmbedSettings, NewClasses, add_classes, build_vocabulary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("known", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--known-shots", type=int, default=16)
    parser.add_argument("--shots", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    first, second = (photo_set(folder, cache=arguments.cache) for folder in (arguments.known, arguments.new))
    support, photos = first.support(arguments.known_shots, 1), second.support(arguments.shots, 1)
    vocabulary = build_vocabulary(first.backbone, arguments.cache / "vocabulary", kind="starter")

    candidate = fit_candidate("map_lr", HEADS["map_lr"].fit, support)
    torch.set_num_threads(arguments.threads)  # fitting side by side leaves one
    found = held_out(candidate, support)
    temperature = fit_temperature(found.logits, found.labels)

    def known() -> KnownClasses:
        return KnownClasses.of_head(
            tuple(first.class_names),
            support.features.embedding,
            support.labels,
            out_of_fold=candidate.out_of_fold[0],
            seen=candidate.head.scores(support.features),
            temperature=temperature,
            logit_scale=support.logit_scale,
            text_embeddings=support.text_embeddings,
            covariance=support.covariance,
        )

    every = NewClasses(
        tuple(second.class_names),
        photos.features.embedding,
        photos.labels,
        candidate.head.scores(photos.features) / temperature,
        second.text_embeddings,
    )
    alone = LiteEmbedSettings(forms=("embedding",))
    print(f"{len(first.class_names)} known classes, {len(support)} photos; {arguments.threads} threads\n")
    print("| | wall seconds | processor seconds |\n|---|---:|---:|")
    measured = {}
    for count in (1, 50):
        new = every.classes(list(range(count)))
        for name, settings in (("all forms", LiteEmbedSettings()), ("embedding alone", alone)):
            label = f"{count} class{'es' if count > 1 else ''} of {arguments.shots} photos, {name}"
            measured[label] = timed(
                lambda new=new, settings=settings: add_classes(known(), new, settings, vocabulary=vocabulary),
                arguments.rounds,
            )
            print(f"| {label} | {measured[label][0]:.2f} | {measured[label][1]:.2f} |", flush=True)
    seconds, processor = timed(lambda: train(support, every.classes([0])), max(1, arguments.rounds // 2))
    print(f"| full retrain | {seconds:.2f} | {processor:.2f} |\n")
    for name in ("all forms", "embedding alone"):
        one = measured[f"1 class of {arguments.shots} photos, {name}"]
        print(
            f"retrain over one class, {name}: {seconds / one[0]:.0f} times the time, {processor / one[1]:.0f} the processor's"
        )


def train(support: Support, new: NewClasses) -> None:
    """All heads and the choice on the known classes and the new ones."""
    assert support.text_embeddings is not None
    assert new.text_embeddings is not None
    levels = tuple(torch.cat([level, level[: len(new.labels)]]) for level in support.features.pooled_levels())
    together = Support.of_images(
        Features(torch.cat([support.features.embedding, new.embeddings]), levels),
        torch.cat([support.labels, new.labels + support.n_classes]),
        support.n_classes + new.n_classes,
        text_embeddings=torch.cat([support.text_embeddings, new.text_embeddings]),
        logit_scale=support.logit_scale,
        covariance=support.covariance,
    )
    choose(fit_candidates(together), together)


def timed(action: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Medians of wall and processor seconds."""
    action()
    wall, processor = [], []
    for _ in range(rounds):
        start, start_processor = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    return median(wall), median(processor)


if __name__ == "__main__":
    main()
