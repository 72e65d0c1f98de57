"""How well words without pictures are found: the recipe with 20 of the 150 classes left out, then measured on them.

python benchmarks/embedded_left_out.py --pictures DIR --lexicon FILE --run DIR [--names-out [--image-run DIR]]
    [--text-tower DIR] [--stages 3x48] [--text-steps N]

With `--names-out` their names are kept out of the lexicon too, so that only the map tells the text tower where they lie;
with `--image-run` the image tower of a finished run without `--names-out` stands beside that text tower, its last layer
trained against it: it has seen none of their pictures and the texts of the other 130 classes alone.
Without `--stages` and `--text-steps` it is the recipe at full length, an hour on two cores. Rows as `embedded.py`
prints them: zero_shot (all classes, the 20 among them), unseen_among_themselves, unseen_among_all, unseen_among_50 (beside
30 names of Tiny ImageNet's other 50 classes, then of ImageNet's that are no class here; mean of 20 draws). The model is left
in RUN/model.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from embedded import row, zero_shot

from components.pretrain import PretrainParameters, PretrainSources, pretrain
from components.pretrain.architecture import load
from components.pretrain.journal import Journal
from components.pretrain.pictures import read_pictures

LEFT_OUT = (
    "Egyptian_cat",
    "alpine_mountain",
    "backpack",
    "barbershop",
    "butcher_shop",
    "cockroach",
    "coral_reef",
    "cougar",
    "drumsticks",
    "flagpole",
    "freight_car",
    "frying_pan",
    "golden_retriever",
    "goose",
    "guinea_pig",
    "orangutan",
    "pay_phone",
    "picket_fence",
    "sewing_machine",
    "stopwatch",
)

TINY_IMAGENET_OTHERS = """
    goldfish, European fire salamander, American alligator, trilobite, centipede, sea slug, Chihuahua, brown bear,
    ladybug, ox, Arabian camel, African elephant, beach wagon, beacon, beer bottle, binoculars, chain,
    confectionery, fountain, fur coat, iPod, kimono, lampshade, magnetic compass, pill bottle, police van, poncho,
    potter's wheel, reel, refrigerator, remote control, rocking chair, sports car, steel arch bridge, sunglasses,
    swimming trunks, teapot, teddy, thatch, torch, triumphal arch, trolleybus, volleyball, wooden spoon, comic book,
    plate, bell pepper, potpie, seashore, acorn
"""  # the 50 of its 200 classes whose pictures are not here


def stage(text: str) -> tuple[float, int]:
    """`3x48`: three passes at 48 pixels."""
    epochs, _, pixels = text.partition("x")
    return float(epochs), int(pixels)


def main() -> None:
    """Train without the 20 classes and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of Tiny ImageNet")
    parser.add_argument("--lexicon", type=Path, required=True, help="text_lexicon.npz")
    parser.add_argument("--run", type=Path, required=True, help="checkpoints, log and model; the same one goes on")
    parser.add_argument(
        "--text-tower", type=Path, help="a finished model whose text tower is taken, not distilled anew"
    )
    parser.add_argument("--names-out", action="store_true", help="leave their names out of the lexicon too")
    parser.add_argument("--image-run", type=Path, help="the run whose image tower is taken, with --names-out")
    parser.add_argument("--stages", nargs="+", type=stage, help="passes x pixels, instead of the recipe's")
    parser.add_argument("--text-steps", type=int, help="instead of the recipe's")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    parameters = PretrainParameters(threads=given.threads, left_out=LEFT_OUT)
    if given.names_out:
        classes = read_pictures(given.pictures, "val", given.run / "arrays")
        names = tuple(
            name.lower() for folder, name in zip(classes.folders, classes.names, strict=True) if folder in LEFT_OUT
        )
        parameters = replace(parameters, names_left_out=names)
    if given.stages:
        parameters = replace(parameters, image=replace(parameters.image, stages=tuple(given.stages)))
    if given.text_steps:
        parameters = replace(parameters, text=replace(parameters.text, steps=given.text_steps))
    if given.image_run:
        theirs = replace(parameters, names_left_out=(), text=PretrainParameters().text)
        finished = Journal(given.image_run).load("image", theirs.digest())
        assert finished is not None, f"no finished image tower in {given.image_run}"
        Journal(given.run).save("image", parameters.digest(), finished)
    folder = given.run / "model"
    pretrain(parameters, PretrainSources(given.pictures, given.lexicon, text_tower=given.text_tower), given.run, folder)
    row("left_out_run", names_out=given.names_out, stages=parameters.image.stages, text_steps=parameters.text.steps)
    model, preprocess = load(folder)
    others = {
        "Tiny ImageNet": [name.strip() for name in TINY_IMAGENET_OTHERS.split(",")],
        "ImageNet": imagenet_names(given),
    }
    zero_shot(model, preprocess, given.pictures, model.context_length, LEFT_OUT, others)


def imagenet_names(given: argparse.Namespace) -> list[str]:
    """ImageNet's names in the lexicon, without those of the pictures' classes."""
    lexicon = np.load(given.lexicon)
    here = {name.lower() for name in read_pictures(given.pictures, "val", given.run / "arrays").names}
    every = dict.fromkeys(str(name).lower() for name in lexicon["name"][lexicon["source"] == "in1k"])
    return [name for name in every if name not in here]


if __name__ == "__main__":
    main()
