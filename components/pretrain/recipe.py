"""The whole recipe: place the texts, distil the text tower, take the image tower's trunk, fit its last layer, write the model."""

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
from components.pretrain.features import kept_features
from components.pretrain.journal import Journal
from components.pretrain.last_layer import (
    class_prototypes,
    logit_scale,
    spare_directions,
    text_map,
    use_spare_directions,
)
from components.pretrain.parameters import PretrainParameters
from components.pretrain.pictures import Pictures, read_pictures
from components.pretrain.placement import TextMap
from components.pretrain.sentences import SentenceEncoder, packaged_folder
from components.pretrain.text import (
    TextTargets,
    embed_texts,
    refit_projection,
    text_basis,
    train_text_tower,
    warm_start,
)
from components.pretrain.trunk import load_trunk, packaged_weights
from components.pretrain.vocabulary import Lexicon, phrases, read_lexicon, whole_words

__all__ = ["PretrainSources", "gather_texts", "place_texts", "pretrain", "trunk_classes"]

_FORMS = ("a photo of a", "a")  # the lexicon's two templates
_TRUNK_FORM = "a photo of a"  # of the lexicon's rows that are ImageNet's classes, in ImageNet's order


@dataclass(frozen=True)
class PretrainSources:
    """What the recipe reads.

    Attributes:
        pictures: folder with `classes.csv`, `train.zip` and `val.zip`.
        lexicon: `text_lexicon.npz`.
        trunk: file of the trunk's weights; None: the package's.
        sentence_encoder: folder with `model.safetensors` and `tokenizer.json` of all-MiniLM-L6-v2; None: the package's.
        text_tower: a finished model whose text tower is taken as it is; None: it is distilled anew.
    """

    pictures: Path
    lexicon: Path
    trunk: Path | None = None
    sentence_encoder: Path | None = None
    text_tower: Path | None = None


def pretrain(parameters: PretrainParameters, sources: PretrainSources, run: Path, output: Path) -> dict[str, Any]:
    """Make the embedded CLIP, or go on where an interrupted run stopped.

    Args:
        parameters: every number of the run.
        sources: data, the trunk's weights and the sentence encoder.
        run: folder for checkpoints, decoded arrays, features and `log.jsonl`; give the same one to go on.
        output: folder that gets the finished model.

    Returns:
        Facts about the result, as written to `output/pretrain.json`.
    """
    torch.set_num_threads(1)
    torch.manual_seed(parameters.seed)
    journal = Journal(run)
    journal.record("start", parameters=parameters.as_json())
    lexicon = read_lexicon(sources.lexicon)
    train = read_pictures(sources.pictures, "train", run / "arrays", parameters.last_layer.pictures)
    validation = read_pictures(sources.pictures, "val", run / "arrays", parameters.last_layer.held_out)

    model: Any = build(parameters.architecture)
    rows = load_trunk(model.visual.trunk, sources.trunk or packaged_weights())
    if sources.text_tower is None:
        texts = place_texts(parameters, sources, lexicon, train.names, run)
        warm_start(model, texts, text_basis(_name_vectors(texts), parameters.architecture.text_width), parameters.seed)
        train_text_tower(model, texts, parameters, journal)
        refit_projection(model, lexicon)
    else:
        _take_text_tower(model, sources.text_tower)

    side = parameters.architecture.image_size
    found = kept_features(model.visual.trunk, train, side, run)
    _fit_last_layer(model, rows, trunk_classes(lexicon), found, train, parameters)
    _finish(model, found, train, parameters, output)
    held_out = kept_features(model.visual.trunk, validation, side, run)
    facts = {
        "parameters": parameters.as_json(),
        "pictures": len(found),
        "zero_shot_top1": round(_zero_shot(model, held_out, validation), 4),
    }
    write_json(output / "pretrain.json", facts)
    journal.record("done", zero_shot_top1=facts["zero_shot_top1"])
    return facts


def trunk_classes(lexicon: Lexicon) -> tuple[str, ...]:
    """Names of the classes that the trunk's classifier knows, in its order."""
    return tuple(name for name, template, _ in lexicon.entries if template == _TRUNK_FORM)


@torch.no_grad()
def _fit_last_layer(
    model: Any, rows: Tensor, names: tuple[str, ...], found: Tensor, train: Pictures, parameters: PretrainParameters
) -> None:
    """Fit the image tower's last layer, in place.

    Args:
        model: both towers; the text tower is finished.
        rows: of the trunk's own classifier, `(classes, width)`.
        names: of its classes.
        found: features of the training pictures, `(n, width)`.
        train: the training pictures; their labels are read.
        parameters: `last_layer` is read.
    """
    if len(names) != len(rows):
        raise UserInputError(
            f"{len(names)} names for a classifier of {len(rows)} classes",
            on="text_lexicon.npz",
            remedy=f'its rows of the template "{_TRUNK_FORM}" must be the classes of the trunk, in its order',
        )
    chosen, labels = parameters.last_layer, train.labels
    known = torch.tensor([names.index(name) if name in names else -1 for name in map(str.lower, train.names)])
    prototypes = class_prototypes(rows, found, labels, known, chosen.shrinkage)
    texts = _embedded_names(model, names)
    with torch.enable_grad():
        weight = text_map(prototypes, found, labels, texts, chosen, parameters.seed)
    spare = spare_directions(model.text_projection.detach())
    weight = use_spare_directions(weight, found, spare, chosen.spare)
    last: nn.Linear = model.visual.head.proj
    last.weight.copy_(weight)
    last.bias.copy_(-weight @ found.mean(dim=0))


@torch.no_grad()
def _finish(model: Any, found: Tensor, train: Pictures, parameters: PretrainParameters, output: Path) -> None:
    """The logit scale, the covariance and the files."""
    embeddings = F.normalize(model.visual.head(found), dim=1)
    model.logit_scale.fill_(math.log(logit_scale(embeddings, train.labels, _embedded_names(model, train.names))))
    model.to(memory_format=torch.contiguous_format)
    export_model(model, parameters.architecture, within_class_covariance(embeddings, train.labels), output)


def gather_texts(parameters: PretrainParameters, names: tuple[str, ...], classes: tuple[str, ...]) -> list[str]:
    """All texts to distil, distinct, the lexicon's `names` first."""
    words = whole_words(word_tokens())
    made = phrases(list(names), words, parameters.placement.phrases, parameters.seed)
    return list(dict.fromkeys([*names, *(name.lower() for name in classes), *words, *made]))


def place_texts(
    parameters: PretrainParameters, sources: PretrainSources, lexicon: Lexicon, classes: tuple[str, ...], run: Path
) -> TextTargets:
    """Where every text lies: the lexicon's names where the real CLIP puts them, the rest where the map puts them."""
    texts = gather_texts(parameters, lexicon.names, classes)
    sentences = _sentences(texts, sources, run)
    n = len(lexicon.names)
    placement = TextMap(parameters.placement).fit(texts[:n], sentences[:n], lexicon.cores)
    cores = torch.cat([lexicon.cores, placement.place(texts[n:], sentences[n:])])
    return TextTargets(lexicon, tuple(texts), cores)


def _embedded_names(model: nn.Module, names: tuple[str, ...]) -> Tensor:
    """Class names as the finished text tower says them, `(classes, embed_dim)`, unit length."""
    length = int(model.context_length)  # type: ignore[arg-type]  # open_clip sets a plain int
    forms = [embed_texts(model, [f"{form} {name.lower()}" for name in names], length) for form in _FORMS]
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


@torch.no_grad()
def _zero_shot(model: Any, features: Tensor, pictures: Pictures) -> float:
    found = (model.visual.head(features) @ _embedded_names(model, pictures.names).T).argmax(dim=1)
    return float((found == pictures.labels).float().mean())
