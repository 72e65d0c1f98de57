"""The whole recipe: place the texts, distil the text tower, train the image tower, write the model."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.errors import UserInputError
from components.files import atomic_path, digest, write_json
from components.pretrain.architecture import build, load, word_tokens
from components.pretrain.export import export_model, within_class_covariance
from components.pretrain.image import embed_pictures, train_image_tower
from components.pretrain.journal import Journal
from components.pretrain.parameters import PretrainParameters
from components.pretrain.pictures import Pictures, read_pictures
from components.pretrain.placement import Placement
from components.pretrain.sentences import SentenceEncoder, packaged_folder
from components.pretrain.settle import (
    attended,
    last_layer,
    logit_scale,
    settle,
    spare_directions,
    use_spare_directions,
)
from components.pretrain.text import (
    TextTargets,
    embed_texts,
    refit_projection,
    text_basis,
    train_text_tower,
    warm_start,
)
from components.pretrain.vocabulary import phrases, read_lexicon, whole_words

__all__ = ["PretrainSources", "gather_texts", "image_targets", "place_texts", "pretrain"]

_FORMS = ("a photo of a", "a")  # the lexicon's two templates


@dataclass(frozen=True)
class PretrainSources:
    """What the recipe reads.

    Attributes:
        pictures: folder with `classes.csv`, `train.zip` and `val.zip`.
        lexicon: `text_lexicon.npz`; not read where `text_tower` is given.
        sentence_encoder: folder with `model.safetensors` and `tokenizer.json` of all-MiniLM-L6-v2; None: the package's.
        text_tower: a finished model whose text tower is taken as it is; None: it is distilled anew.
    """

    pictures: Path
    lexicon: Path
    sentence_encoder: Path | None = None
    text_tower: Path | None = None


def pretrain(parameters: PretrainParameters, sources: PretrainSources, run: Path, output: Path) -> dict[str, Any]:
    """Train the embedded CLIP, or go on where an interrupted run stopped.

    Args:
        parameters: every number of the run.
        sources: data and the sentence encoder.
        run: folder for checkpoints, decoded arrays and `log.jsonl`; give the same one to go on.
        output: folder that gets the finished model.

    Returns:
        Facts about the result, as written to `output/pretrain.json`.
    """
    torch.set_num_threads(1)  # the image tower's threads are whole workers; see its module
    torch.manual_seed(parameters.seed)
    journal = Journal(run)
    journal.record("start", parameters=parameters.as_json())
    train = read_pictures(sources.pictures, "train", run / "arrays")
    validation = read_pictures(sources.pictures, "val", run / "arrays")

    model: Any = build(parameters.architecture)
    if sources.text_tower is None:
        texts = place_texts(parameters, sources, train, run)
        warm_start(model, texts, text_basis(_name_vectors(texts), parameters.architecture.text_width), parameters.seed)
        train_text_tower(model, texts, parameters, journal)
        refit_projection(model, texts.lexicon)
    else:
        _take_text_tower(model, sources.text_tower)

    classes = image_targets(model, train)
    model.visual = train_image_tower(model.visual, train, classes, parameters, journal)
    rows = train.rows_without(parameters.left_out)
    _finish(model, train, rows, classes, parameters, output)
    top1 = _zero_shot(model.visual, validation, classes, parameters.architecture.image_size)
    facts = {
        "parameters": parameters.as_json(),
        "pictures": len(rows),
        "zero_shot_top1": round(top1, 4),
    }
    write_json(output / "pretrain.json", facts)
    journal.record("done", zero_shot_top1=facts["zero_shot_top1"])
    return facts


def _finish(
    model: Any, train: Pictures, rows: Tensor, classes: Tensor, parameters: PretrainParameters, output: Path
) -> None:
    """What follows the trained towers: the last layer settled, the logit scale, the covariance, the files.

    Args:
        model: both towers, changed in place.
        train: the training pictures.
        rows: those that were trained on.
        classes: text embeddings, one row a class of `train`, `(classes, embed_dim)`, unit length.
        parameters: `architecture`, `settling` and `seed` are read.
        output: folder that gets the finished model.
    """
    last, labels = last_layer(model.visual), train.labels[rows]
    found = attended(model.visual, train, rows, parameters.architecture.image_size)
    settle(last, found, labels, classes, parameters.settling, parameters.seed)
    spare = spare_directions(model.text_projection.detach())
    use_spare_directions(last, found, spare, parameters.settling.spare)
    with torch.no_grad():
        embeddings = F.normalize(last(found), dim=1)
    model.logit_scale.data.fill_(math.log(logit_scale(embeddings, labels, classes)))
    model.to(memory_format=torch.contiguous_format)
    export_model(model, parameters.architecture, within_class_covariance(embeddings, labels), output)


def gather_texts(parameters: PretrainParameters, names: tuple[str, ...], classes: tuple[str, ...]) -> list[str]:
    """All texts to distil, distinct, the lexicon's `names` first; nothing named in `names_left_out` is among them."""
    words = whole_words(word_tokens())
    made = phrases(list(names), words, parameters.placement.phrases, parameters.seed)
    dropped = {name.lower() for name in parameters.names_left_out}
    every = dict.fromkeys([*names, *(name.lower() for name in classes), *words, *made])
    return [text for text in every if text not in dropped]


def place_texts(parameters: PretrainParameters, sources: PretrainSources, train: Pictures, run: Path) -> TextTargets:
    """Where every text lies: the lexicon's names where the real CLIP puts them, the rest where the map puts them."""
    lexicon = read_lexicon(sources.lexicon).without(parameters.names_left_out)
    texts = gather_texts(parameters, lexicon.names, train.names)
    sentences = _sentences(texts, sources, run)
    n = len(lexicon.names)
    placement = Placement(parameters.placement).fit(texts[:n], sentences[:n], lexicon.cores)
    cores = torch.cat([lexicon.cores, placement.place(texts[n:], sentences[n:])])
    return TextTargets(lexicon, tuple(texts), cores)


def image_targets(model: nn.Module, pictures: Pictures) -> Tensor:
    """What the image tower learns to find: the class names as the finished text tower says them.

    The tower misses its own targets a little; an image tower trained against those finds two points fewer of the
    classes by the names that the tower then gives them.

    Returns:
        One row a class of `pictures`, `(classes, embed_dim)`, unit length.
    """
    length = int(model.context_length)  # type: ignore[arg-type]  # open_clip sets a plain int
    names = [name.lower() for name in pictures.names]
    forms = [embed_texts(model, [f"{template} {name}" for name in names], length) for template in _FORMS]
    return F.normalize(torch.stack(forms).mean(dim=0), dim=1)


def _take_text_tower(model: nn.Module, folder: Path) -> None:
    finished = load(folder)[0].state_dict()
    wanted = {name: value for name, value in model.state_dict().items() if not name.startswith("visual.")}
    for name, value in wanted.items():
        if name not in finished or finished[name].shape != value.shape:
            raise UserInputError(
                f"its text tower has no {name} of {tuple(value.shape)}",
                on=str(folder),
                remedy="give a model that this recipe made with the same architecture",
            )
    model.load_state_dict({name: finished[name] for name in wanted}, strict=False)


def _name_vectors(texts: TextTargets) -> Tensor:
    return F.normalize(texts.cores[: len(texts.lexicon.names)] + texts.lexicon.mean, dim=1)


def _sentences(texts: list[str], sources: PretrainSources, run: Path) -> Tensor:
    # Minutes of work for the whole vocabulary: kept for a run that goes on.
    from safetensors.torch import load_file, save_file

    kept = run / f"sentences-{digest(texts)[:16]}.safetensors"
    if not kept.exists():
        vectors = SentenceEncoder(sources.sentence_encoder or packaged_folder()).encode(texts)
        with atomic_path(kept) as beside:
            save_file({"sentences": vectors.half()}, beside)
    return load_file(kept)["sentences"].float()


def _zero_shot(tower: nn.Module, pictures: Pictures, classes: Tensor, side: int) -> float:
    found = (embed_pictures(tower, pictures, side) @ classes.T).argmax(dim=1)
    return float((found == pictures.labels).float().mean())
