"""Adds the classes of one arrival: every form is tried, the evidence decides, and the result is explained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from components.backbone import FreeTokenPrompt
from components.errors import UserInputError
from components.heads.pooling import first_of_the_best
from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.closed_forms import GdaRow, ImageMean, Name, NameAndDiscriminant
from components.liteembed.embedding import Embedding
from components.liteembed.evidence import Evidence, Form, OwnOffset, Tried, prefer, try_form
from components.liteembed.explanation import Explanation, explain
from components.liteembed.most_drop import MostDrop
from components.liteembed.name_gate import asked_of_names, name_scores
from components.liteembed.settings import FormName, LiteEmbedSettings
from components.liteembed.token import Token
from components.liteembed.vocabulary import Vocabulary

__all__ = ["Addition", "ClassEmbedding", "add_classes", "make_forms", "own_offset", "try_forms"]

_TIE = 1e-6  # nats


@dataclass(frozen=True)
class ClassEmbedding:
    """An added class: `logit_scale <x, vector> + offset` stands beside the known classes' calibrated logits.

    Attributes:
        name: of the class, as words.
        vector: (d,) float32, any length.
        offset: added to its score.
        form: the form that made it.
        name_means_something: its name took part; if not, the photos alone made it.
        name_score: z-score of the name on the photos; NaN if no vocabulary was at hand.
        recall: share of its left-out photos answered rightly; NaN with one photo.
        explanation: why it answers as it does, for people.
    """

    name: str
    vector: Tensor
    offset: float
    form: str
    name_means_something: bool
    name_score: float
    recall: float
    explanation: Explanation


@dataclass(frozen=True)
class Addition:
    """The classes that an arrival added; a pure function of known classes, new classes, settings and vocabulary.

    Attributes:
        classes: K added classes, in the order of the arrival.
        form: the form that was chosen.
        why: one sentence for people.
        evidence: the evidence of every form that was tried, by name.
        on_known: (n, K) scores of the known photos, by columns without the photo if a new class has several photos.
        on_new: (m, K) scores of the new photos, by columns without the photo if its class has several.
        vocabulary: digest of the vocabulary, None without one; the same vocabulary makes the same vectors again.
    """

    classes: tuple[ClassEmbedding, ...]
    form: str
    why: str
    evidence: dict[str, Evidence]
    on_known: Tensor
    on_new: Tensor
    vocabulary: str | None

    @property
    def columns(self) -> Columns:
        """The added classes as columns of scores."""
        return Columns(
            torch.stack([added.vector for added in self.classes]),
            torch.tensor([added.offset for added in self.classes]),
        )

    def extend(self, known: KnownClasses, new: NewClasses) -> KnownClasses:
        """The known classes for the next arrival: these and the added ones."""
        return known.extended(new, self.on_known, self.on_new)


def add_classes(
    known: KnownClasses,
    new: NewClasses,
    settings: LiteEmbedSettings,
    *,
    most_drop: MostDrop = MostDrop(),  # noqa: B008 (frozen)
    vocabulary: Vocabulary | None = None,
    prompt: FreeTokenPrompt | None = None,
    progress: Callable[[str], None] | None = None,
) -> Addition:
    """Try the forms on an arrival and take the one that the evidence prefers.

    Args:
        known: the live classes.
        new: the arrival. A name that its photos contradict is removed before any form sees it.
        settings: see `LiteEmbedSettings`.
        most_drop: what the arrival may cost the known classes, by the gate.
        vocabulary: for the gate of names, coarse and fine axes, the form `token` and the explanation.
        prompt: for the form `token`.
        progress: told the name of each form before it is tried.

    Raises:
        UserInputError: there is no known class, or a form lacks what it needs.
    """
    if known.n_classes == 0:
        raise UserInputError(
            "there is no class to add to", on=", ".join(new.names), remedy="train on at least one class first"
        )
    scores = torch.full((new.n_classes,), math.nan)
    if vocabulary is not None and new.text_embeddings is not None:
        scores = name_scores(known, new, vocabulary)
    new = _without_empty_names(new, scores, settings.name_gate)
    tried = _try_all(known, new, settings, most_drop, vocabulary, prompt, progress)
    taken = prefer(tried)
    start = (Name() if new.named.all() else ImageMean()).fit(known, new)
    explanations = explain(known, new, start, taken.columns, taken.on_new, vocabulary)
    classes = tuple(
        ClassEmbedding(
            name=new.names[label],
            vector=taken.columns.vectors[label],
            offset=float(taken.columns.offsets[label]),
            form=taken.form,
            name_means_something=bool(new.named[label]),
            name_score=float(scores[label]),
            recall=float(taken.recall[label]),
            explanation=explanations[label],
        )
        for label in range(new.n_classes)
    )
    return Addition(
        classes=classes,
        form=taken.form,
        why=_reason(taken, tried),
        evidence={one.form: one.evidence for one in tried},
        on_known=taken.on_known,
        on_new=taken.on_new,
        vocabulary=None if vocabulary is None else vocabulary.digest,
    )


def _try_all(
    known: KnownClasses,
    new: NewClasses,
    settings: LiteEmbedSettings,
    most_drop: MostDrop,
    vocabulary: Vocabulary | None,
    prompt: FreeTokenPrompt | None,
    progress: Callable[[str], None] | None,
) -> list[Tried]:
    """Each form with its evidence; forms that need names are left out unless every class has a meaningful one."""
    tried = []
    for name in settings.forms:
        forms = make_forms(name, settings, vocabulary, prompt)
        if forms[0].needs_text and not new.named.all():
            continue
        if progress is not None:
            progress(name)
        tried.append(try_forms(forms, known, new, settings, most_drop))
    if not tried:
        raise UserInputError(
            "every form needs a name that means something, and there is none",
            on="liteembed.forms",
            remedy="put `embedding` among the forms, or rename the class",
        )
    return tried


def make_forms(
    name: FormName, settings: LiteEmbedSettings, vocabulary: Vocabulary | None, prompt: FreeTokenPrompt | None
) -> list[Form]:
    """The forms of that name: one, or for `embedding` one per start and stiffness.

    Raises:
        UserInputError: it needs a vocabulary or a prompt that is not there.
    """
    if name == "embedding":
        split = settings.embedding.coarse != settings.embedding.fine
        if split and vocabulary is None:
            raise UserInputError(
                "coarse and fine differ, and there is no vocabulary to tell them apart",
                on="liteembed.embedding",
                remedy="make them equal, or use a backbone with a text tower",
            )
        axes = vocabulary.axes if split and vocabulary is not None else None
        return [
            Embedding(settings.embedding, stiffness, axes, start)
            for start in settings.embedding.starts
            for stiffness in settings.embedding.stiffness
        ]
    if name == "token":
        if vocabulary is None or prompt is None:
            raise UserInputError(
                "the form `token` needs a text tower and its vocabulary",
                on="liteembed.forms",
                remedy="leave `token` out, or use a backbone with a text tower",
            )
        return [Token(settings.token, prompt, vocabulary)]
    closed: dict[str, Callable[[], Form]] = {
        "name": Name,
        "image_mean": ImageMean,
        "gda_row": GdaRow,
        "name_and_lda": NameAndDiscriminant,
    }
    return [closed[name]()]


def try_forms(
    forms: list[Form],
    known: KnownClasses,
    new: NewClasses,
    settings: LiteEmbedSettings,
    most_drop: MostDrop = MostDrop(),  # noqa: B008 (frozen)
) -> Tried:
    """The settings of a form that have the lowest log-loss on left-out photos.

    For the form `embedding` each start is tried at the middle stiffness, then the better start at the others. With one
    photo per class nothing is left out; known classes that play new ones then decide.
    """
    bearable = own_offset(known, new, settings, most_drop)

    def tried(form: Form) -> Tried:
        own = bearable if isinstance(form, Embedding) else None
        return try_form(form, known, new, folds=settings.folds, own_offset=own)

    embeddings = [form for form in forms if isinstance(form, Embedding)]
    if not embeddings:
        return _likeliest([tried(form) for form in forms])
    if int(new.shots.max()) == 1:
        return tried(_at_one_photo(embeddings, known, new))
    if not new.named.any():  # a class without a name always starts at its photos
        embeddings = [form for form in embeddings if form.start == embeddings[0].start]
    middle = settings.embedding.stiffness[len(settings.embedding.stiffness) // 2]
    by_start = {form.start: tried(form) for form in embeddings if form.stiffness == middle}
    first, *rest = by_start.values()
    if rest:
        gain = by_start["name"].evidence.log_loss - by_start["prototype"].evidence.log_loss
        first = by_start["prototype" if gain > settings.embedding.name_is_enough else "name"]
    assert isinstance(first.fitted, Embedding)
    others = [form for form in embeddings if form.start == first.fitted.start and form.stiffness != middle]
    return _likeliest([first, *(tried(form) for form in others)])


def _likeliest(tried: list[Tried]) -> Tried:
    """The lowest log-loss; of equal ones, up to rounding, the first."""
    losses = [one.evidence.log_loss for one in tried]
    return tried[0] if any(map(math.isnan, losses)) else tried[first_of_the_best(losses, _TIE)]


def own_offset(
    known: KnownClasses,
    new: NewClasses,
    settings: LiteEmbedSettings,
    most_drop: MostDrop = MostDrop(),  # noqa: B008 (frozen)
) -> OwnOffset:
    """What the offset of the form `embedding` may cost with so many new classes beside so many known ones."""
    return OwnOffset(settings.embedding.balance, most_drop.planned().allowed(new.n_classes, known.n_classes))


def _at_one_photo(forms: list[Embedding], known: KnownClasses, new: NewClasses) -> Embedding:
    """A fixed prototype; or the name, moved by the photo, if the prototype adds too little."""
    by_start = {form.start: form for form in reversed(forms)}
    prototype = by_start.get("prototype")
    words = new.text_embeddings is not None and known.text_embeddings is not None
    if prototype is None:
        return by_start["name"]
    if "name" in by_start and words:
        gain = known.loudness(new, words=True, balance=prototype.settings.balance).gain
        if gain < prototype.settings.name_is_enough:
            return by_start["name"]
    return Embedding(prototype.settings, math.inf, prototype.axes, "prototype")


def _without_empty_names(new: NewClasses, scores: Tensor, gate: float) -> NewClasses:
    """The text embeddings, with zeros for names below the gate, which then do not count."""
    if new.text_embeddings is None:
        return new
    keep = scores.isnan() | (scores >= asked_of_names(new.shots, gate))
    return replace(new, text_embeddings=new.text_embeddings * keep[:, None]) if keep.any() else new.without_text()


def _reason(taken: Tried, tried: list[Tried]) -> str:
    if taken.evidence.kind == "prior":
        return f"one photo leaves nothing to compare forms on: {taken.form} goes live on prior knowledge"
    others = ", ".join(f"{one.form} {100 * one.evidence.harmonic:.1f}" for one in tried if one is not taken)
    return (
        f"{taken.form}: harmonic mean of known and new photos {100 * taken.evidence.harmonic:.1f}"
        + (f" ({others})" if others else "")
        + f" on {taken.evidence.n_new} left-out photos"
    )
