"""Results for programs: a line or a row per photo, in the order of the photos."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from components.wording import joined_names

if TYPE_CHECKING:
    import pandas as pd

    from components.ingest import PhotoError
    from components.retrieval import SimilarPhoto
    from components.serving.answers import Answer

__all__ = ["Answers", "FoundPhotos", "answer_line"]

ANSWER_COLUMNS = (
    "path",
    "class",
    "probability",
    "second",
    "second_probability",
    "likely",
    "abstained",
    "bank",
    "error",
    "flaw",
)
"""Columns of a table of answers; `likely` has names with `|` between them."""

_FOUND_COLUMNS = ("path", "class", "similarity")


def answer_line(path: str | None, answer: Answer | PhotoError) -> dict[str, Any]:
    """The object of `classify --json` for a photo: `path` with the answer, or with `error` and a remedy."""
    from components.ingest import PhotoError

    if isinstance(answer, PhotoError):
        return {"path": path, "error": f"{answer.what}; {answer.remedy}"}
    return {"path": path, **answer.to_json()}


class Answers(list["Answer | PhotoError"]):
    """One answer per photo, in the order of the photos; in the place of a photo that cannot be read, its error.

    Attributes:
        paths: of each photo its path as it was given; None if it did not come as a path.
    """

    def __init__(self, paths: Sequence[str | None], answers: Iterable[Answer | PhotoError]) -> None:
        super().__init__(answers)
        self.paths = tuple(paths)

    def to_json(self) -> list[dict[str, Any]]:
        """The lines of `classify --json`; `path` is None if the photo did not come as a path."""
        return [answer_line(path, answer) for path, answer in zip(self.paths, self, strict=True)]

    def to_frame(self) -> pd.DataFrame:
        """One row per photo, with the columns `path`, `class`, `probability`, `second`, `second_probability`, `likely`,
        `abstained`, `bank`, `error`, `flaw` (what is wrong with the photo's file although it has an answer).

        Probabilities are fractions from 0 to 1; `likely` has names with `|` between them. Values that a photo does not
        have are missing: an error has no class, and with only one class there is no second.
        """
        import pandas as pd

        return pd.DataFrame([_row(line) for line in self.to_json()], columns=ANSWER_COLUMNS)


class FoundPhotos(list["SimilarPhoto"]):
    """Photos that resemble a query, most similar first."""

    def to_frame(self) -> pd.DataFrame:
        """A row per photo: `path` (relative to the workspace), `class`, `similarity` (cosine, -1 to 1)."""
        import pandas as pd

        return pd.DataFrame([found.to_json() for found in self], columns=_FOUND_COLUMNS)


def _row(line: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {key: line[key] for key in ("path", "abstained", "bank", "error", "flaw") if key in line}
    if "likely" in line:
        row["likely"] = joined_names(line["likely"])
    names = (("class", "probability"), ("second", "second_probability"))
    for ranked, (name, probability) in zip(line.get("top", ()), names, strict=False):
        row |= {name: ranked["class"], probability: ranked["probability"]}
    return row
