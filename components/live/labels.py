"""Labels of trained photos that are probably wrong, and what a person says of them.

A word is written down in the photo folder (`components.ingest.label_words`), where the next training finds it; no photo is
moved or deleted, nothing live changes, and it can be taken back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from components.artefacts import PhotoTables
from components.classifier.wrong_labels import doubtful_labels
from components.errors import UserInputError
from components.files import sha256_file
from components.ingest import LabelWord, append_label_word, holding, read_label_words
from components.live.opening import LiveWorkspace
from components.workspace import Workspace

__all__ = ["LabelSaid", "LabelToCheck", "labels_to_check", "say_of_label", "take_label_back"]

_SHORTEST_HASH = 6
_CLASSES_TOLD = 8


@dataclass(frozen=True)
class LabelToCheck:
    """A labelled photo whose left-out answer contradicts its label.

    Attributes:
        photo: SHA-256 of its bytes.
        path: relative to the workspace, with slashes.
        class_name: its label.
        taken_for: the class that it is answered as by heads that had not seen it.
        margin: probability of its label less that of the other, -1 to 0; the lower, the more doubtful.
    """

    photo: str
    path: str
    class_name: str
    taken_for: str
    margin: float

    def to_json(self) -> dict[str, Any]:
        """The form that `review --labels --json` gives."""
        return {
            "photo": self.photo,
            "path": self.path,
            "class": self.class_name,
            "taken_for": self.taken_for,
            "margin": round(self.margin, 4),
        }


def labels_to_check(live: LiveWorkspace, workspace: Workspace, top: int) -> list[LabelToCheck]:
    """The trained classes' labels that are most probably wrong, most doubtful first; none with one photo a class.

    Those of which something was said already are left out.

    Raises:
        UserInputError: nothing is live yet, or the list of photos is missing.
    """
    bundle, _ = live.loaded()
    manifest = PhotoTables(workspace.validated).manifest(["id", "path"])
    path_of = dict(zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True))
    of_class = {name: iter(photos) for name, photos in bundle.split.items()}
    photos = [next(of_class[bundle.class_names[label]]) for label in bundle.support.labels.tolist()]
    raw = workspace.raw.relative_to(workspace.root).as_posix()
    said = holding(read_label_words(workspace.raw))
    logits, labels = bundle.support.out_of_fold.float(), bundle.support.labels
    found = [
        each
        for each in doubtful_labels(logits, labels, bundle.temperature, len(labels))
        if photos[each.row] not in said
    ][:top]
    return [
        LabelToCheck(
            photo=photos[each.row],
            path=f"{raw}/{path_of.get(photos[each.row], photos[each.row])}",
            class_name=bundle.class_names[each.label],
            taken_for=bundle.class_names[each.taken_for],
            margin=each.margin,
        )
        for each in found
    ]


@dataclass(frozen=True)
class LabelSaid:
    """What was said of a label, and what it comes to at the next training.

    Attributes:
        word: as it was written down.
        path: of the photo, relative to the workspace, with slashes; its hash where it is not known any more.
        label: its class from the next training on; empty: it is left out.
    """

    word: LabelWord
    path: str
    label: str

    @property
    def told(self) -> str:
        """One sentence for people."""
        if not self.label:
            return f"{self.path}: the next training leaves it out"
        if self.word.action == "right":
            return f"{self.path}: {self.label} is right, and is not asked about again"
        return f"{self.path}: {self.label}{' again' if self.word.action == 'undo' else ''}, from the next training on"

    def to_json(self) -> dict[str, Any]:
        """`photo`, `path`, `action`, `from` (as the photo folder says), `to`, `who`, `time`, and `class` from now on."""
        word = asdict(self.word)
        word["from"] = word.pop("label")
        return {**word, "path": self.path, "class": self.label or None}


def say_of_label(
    workspace: Workspace, photo: str, action: Literal["relabel", "drop", "right"], to: str = ""
) -> LabelSaid:
    """Write down that a photo of `data/raw` is of another class, is not to be learnt from, or is labelled rightly.

    Args:
        workspace: see `Workspace`.
        photo: its path, its SHA-256, or how that begins.
        action: see `LabelWord`.
        to: the class, as its folder or in words; of those that are trained.

    Raises:
        UserInputError: there is no such photo or class, or it has that label.
    """
    found = _found(workspace, photo)
    to = _class_called(workspace, to) if action == "relabel" else ""
    if action == "relabel" and to == found.label_now:
        raise UserInputError(f"it is labelled {to} already", on=found.path, remedy="name another class")
    return _written(workspace, found, action, to)


def take_label_back(workspace: Workspace, photo: str) -> LabelSaid:
    """Take back the last word on a photo's label; arguments as `say_of_label`.

    Raises:
        UserInputError: nothing holds that could be taken back, or there is no such photo.
    """
    found = _found(workspace, photo)
    if found.word is None:
        raise UserInputError("nothing was said of its label", on=found.path, remedy="see: shotline review --labels")
    return _written(workspace, found, "undo", "")


@dataclass(frozen=True)
class _Found:
    """A photo with its label in the photo folder, the word that holds on it, and the label that this comes to."""

    photo: str
    path: str
    label: str
    word: LabelWord | None

    @property
    def label_now(self) -> str:
        if self.word is None or self.word.action == "right":
            return self.label
        return self.word.to  # empty where it was dropped


def _written(
    workspace: Workspace, found: _Found, action: Literal["relabel", "drop", "right", "undo"], to: str
) -> LabelSaid:
    stamp = LiveWorkspace.stamp()
    word = LabelWord(found.photo, action, found.label, to, stamp.who, stamp.time)
    append_label_word(workspace.raw, word)
    holds = holding(read_label_words(workspace.raw)).get(found.photo)
    return LabelSaid(word, found.path, _Found(found.photo, found.path, found.label, holds).label_now)


def _found(workspace: Workspace, name: str) -> _Found:
    manifest = PhotoTables(workspace.ingested).manifest(["id", "path", "class"]).to_pylist()
    rows = {row["id"]: row for row in manifest}
    words = read_label_words(workspace.raw)
    known = {*rows, *(word.photo for word in words)}  # a dropped one is in no table any more
    path = Path(name) if Path(name).is_file() else workspace.root / name
    if path.is_file():
        photos = known & {sha256_file(path)}
    else:
        photos = {each for each in known if len(name) >= _SHORTEST_HASH and each.startswith(name)}
    if len(photos) != 1:
        raise UserInputError(
            f"{len(photos)} photos begin so" if photos else "the last training knows no such photo",
            on=name,
            remedy="give its path or its hash, as `shotline review --labels --json` shows them",
        )
    (photo,) = photos
    row = rows.get(photo)
    place = photo if row is None else f"{workspace.raw.relative_to(workspace.root).as_posix()}/{row['path']}"
    said = [word for word in words if word.photo == photo]
    if said and (row is None or row["class"] in {label for word in said for label in (word.label, word.to)}):
        return _Found(photo, place, said[-1].label, holding(said).get(photo))
    return _Found(photo, place, rows[photo]["class"], None)  # the folder has another label now than was spoken of


def _class_called(workspace: Workspace, name: str) -> str:
    rows = PhotoTables(workspace.ingested).classes().to_pylist()
    for row in rows:
        if name in (row["class"], row["name"]):
            return str(row["class"])
    named = ", ".join(row["class"] for row in rows[:_CLASSES_TOLD]) + (" and more" if len(rows) > _CLASSES_TOLD else "")
    raise UserInputError(
        f"no trained class is called so; there are {named}",
        on=name or "no class",
        remedy="name one of them; a class that was added is trained by: shotline consolidate",
    )
