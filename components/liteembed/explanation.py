"""Explains an added class to people: its words, its neighbours, the photos that fit least."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.vocabulary import Vocabulary

__all__ = ["Explanation", "Misfit", "Neighbour", "explain"]

_MOST_WORDS = 8
_MOST_NEIGHBOURS = 5


@dataclass(frozen=True)
class Neighbour:
    """A known class from which the added one had to be separated.

    Attributes:
        name: of the known class.
        similarity: cosine of both classes' mean photos about the mean of all, -1 to 1.
        before: mean probability of the added class on this class's photos at the start (the name, or the mean photo if
            there is none), 0 to 1.
        after: the same with the live column; if lower than before, the added class was pushed away.
    """

    name: str
    similarity: float
    before: float
    after: float


@dataclass(frozen=True)
class Misfit:
    """A photo that another class claims: a possible wrong label.

    Attributes:
        photo: its number among the class's photos, from 0, in the order of the arrival.
        taken_for: the class with the highest score while the photo was left out.
        probability: of its own class while it was left out, 0 to 1.
    """

    photo: int
    taken_for: str
    probability: float


@dataclass(frozen=True)
class Explanation:
    """The explanation of one added class.

    Attributes:
        words: of the vocabulary, nearest to the class embedding first; empty without a vocabulary.
        neighbours: the known classes most like it, most alike first.
        own_before: mean probability of the class on its own photos at the start.
        own_after: the same with the live column, each photo left out if there are several.
        misfits: photos that fit least, worst first.
    """

    words: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]
    own_before: float
    own_after: float
    misfits: tuple[Misfit, ...]


def explain(
    known: KnownClasses,
    new: NewClasses,
    start: Columns,
    columns: Columns,
    on_new: Tensor,
    vocabulary: Vocabulary | None,
) -> list[Explanation]:
    """One explanation per new class.

    Args:
        known: see `KnownClasses`.
        new: see `NewClasses`.
        start: the columns of the names alone.
        columns: the live ones.
        on_new: (m, K) scores of the new photos by columns that had not learnt from them.
        vocabulary: for the words.
    """
    scale = known.logit_scale
    before = _probability(known.logits, start.scores(known.embeddings, scale))
    after = _probability(known.logits, columns.scores(known.embeddings, scale))
    own_before = _probability(new.known_logits, start.scores(new.embeddings, scale))
    own_after = _probability(new.known_logits, on_new)
    names = (*known.names, *new.names)
    answers = torch.cat([new.known_logits, on_new], 1).argmax(1)
    similar = _similarities(known, new)
    words: list[list[str]] = [[] for _ in new.names]
    if vocabulary is not None:
        directions = torch.nn.functional.normalize(columns.vectors, dim=1)
        words = vocabulary.nearest(directions, _MOST_WORDS)
    found = []
    for label in range(new.n_classes):
        nearest = similar[label].topk(min(_MOST_NEIGHBOURS, known.n_classes)).indices.tolist()
        mine = torch.nonzero(new.labels == label).flatten()
        found.append(
            Explanation(
                words=tuple(words[label]),
                neighbours=tuple(
                    Neighbour(
                        known.names[other],
                        float(similar[label, other]),
                        float(before[known.labels == other, label].mean()),
                        float(after[known.labels == other, label].mean()),
                    )
                    for other in nearest
                ),
                own_before=float(own_before[mine, label].mean()),
                own_after=float(own_after[mine, label].mean()),
                misfits=_misfits(mine, answers, own_after[:, label], new.place, names, known.n_classes + label),
            )
        )
    return found


def _misfits(
    mine: Tensor, answers: Tensor, own: Tensor, place: Tensor, names: tuple[str, ...], own_number: int
) -> tuple[Misfit, ...]:
    wrong = [row for row in mine.tolist() if int(answers[row]) != own_number]
    wrong.sort(key=lambda row: float(own[row]))
    return tuple(Misfit(int(place[row]), names[int(answers[row])], float(own[row])) for row in wrong)


def _probability(known: Tensor, new: Tensor) -> Tensor:
    """(n, K): the new classes' probabilities in the softmax over all classes."""
    return torch.softmax(torch.cat([known, new], 1), 1)[:, known.shape[1] :]


def _similarities(known: KnownClasses, new: NewClasses) -> Tensor:
    """(K, C): cosines of mean photos about the mean of the known classes' means."""
    centre = known.gaussian.centre.float()
    shifts = torch.zeros(new.n_classes, new.embeddings.shape[1]).index_add_(0, new.labels, new.embeddings)
    shifts = torch.nn.functional.normalize(shifts / new.shots[:, None] - centre, dim=1)
    return shifts @ torch.nn.functional.normalize(known.gaussian.means.float(), dim=1).T
