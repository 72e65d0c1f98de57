"""The answers to the photos that are only measured on, as rows of `reports/answers.csv`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from components.artefacts import AnsweredPhoto
from components.bank import AnswerBatch
from components.evaluate.evaluation import Evaluation

__all__ = ["answered", "answered_by_head", "answered_photos"]


def answered(evaluation: Evaluation, path_of: Callable[[str], str]) -> list[AnsweredPhoto]:
    """A row per photo, in the order of the evaluation.

    Args:
        evaluation: with the photos' ids.
        path_of: gives the path of a photo by its SHA-256.
    """
    answers = AnswerBatch(evaluation.probabilities, evaluation.abstained, evaluation.likely)
    names = evaluation.class_names
    actual = [names[label] for label in evaluation.labels.tolist()] if evaluation.photos else []
    return answered_photos(answers, names, [path_of(photo) for photo in evaluation.photos], actual, evaluation.version)


def answered_photos(
    answers: AnswerBatch, names: Sequence[str], paths: Sequence[str], actual: Sequence[str], version: str
) -> list[AnsweredPhoto]:
    """A row per photo.

    Args:
        answers: about n photos.
        names: of the classes, in the order of their probabilities.
        paths: of the n photos; if empty there are no rows.
        actual: their classes, n.
        version: of the classifier that answered.
    """
    if not paths:
        return []
    best = answers.probabilities.topk(min(2, len(names)), dim=1)
    likely = answers.likely_places
    abstained = answers.abstained.tolist()
    rows = []
    for row, path in enumerate(paths):
        values, places = best.values[row].tolist(), best.indices[row].tolist()
        rows.append(
            AnsweredPhoto(
                path=path,
                actual=actual[row],
                answer=names[places[0]],
                probability=values[0],
                second=names[places[1]] if len(places) > 1 else None,
                second_probability=values[1] if len(places) > 1 else None,
                likely=tuple(names[place] for place in likely[row]),
                abstained=abstained[row],
                bank=version,
            )
        )
    return rows


def answered_by_head(evaluation: Evaluation, path_of: Callable[[str], str]) -> dict[str, list[str]]:
    """The columns of `answers_by_head.csv`: `path`, `actual`, and each head's answer."""
    names = evaluation.class_names
    columns = {
        "path": [path_of(photo) for photo in evaluation.photos],
        "actual": [names[label] for label in evaluation.labels.tolist()] if evaluation.photos else [],
    }
    for head, answers in evaluation.answers_of.items():
        columns[head] = [names[answer] if answer >= 0 else "" for answer in answers.tolist()][: len(evaluation.photos)]
    return columns
