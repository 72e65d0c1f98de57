"""Labelled pictures as one memory-mapped array of bytes, decoded once from the dataset's archives."""

import csv
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from components.errors import UserInputError
from components.files import atomic_path

__all__ = ["Pictures", "read_pictures"]


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size with their classes.

    Attributes:
        pixels: bytes `(n, height, width, 3)`, memory-mapped.
        labels: `(n,)`, int64, an index into `folders`.
        folders: class folders, in the order of `classes.csv`.
        names: what each class is called.
        members: each picture's path in its archive.
    """

    pixels: npt.NDArray[np.uint8]
    labels: Tensor
    folders: tuple[str, ...]
    names: tuple[str, ...]
    members: tuple[str, ...]

    def batch(self, rows: Tensor) -> Tensor:
        """Bytes `(len(rows), height, width, 3)`."""
        return torch.from_numpy(self.pixels[rows.numpy()])


def read_pictures(dataset: Path, split: str, arrays: Path, per_class: int | None = None) -> Pictures:
    """The pictures of `dataset/<split>.zip`, decoded into `arrays` on the first call.

    Args:
        dataset: a folder with `classes.csv` (columns folder, name) and `<split>.zip` of `<folder>/<number>.webp`.
        split: `train` or `val`.
        arrays: a folder for the decoded bytes.
        per_class: the first so many of each class, in the order of their file names; None: all.
    """
    archive_path, classes_path = dataset / f"{split}.zip", dataset / "classes.csv"
    for path in (archive_path, classes_path):
        if not path.exists():
            raise UserInputError(
                "a file of the picture dataset is missing",
                on=str(path),
                remedy="give the folder that holds classes.csv, train.zip and val.zip",
            )
    with classes_path.open(newline="", encoding="utf-8") as file:
        classes = [(row["folder"], row["name"]) for row in csv.DictReader(file)]
    folders = tuple(folder for folder, _ in classes)
    position = {folder: index for index, folder in enumerate(folders)}
    with zipfile.ZipFile(archive_path) as archive:
        members = _first(sorted(name for name in archive.namelist() if not name.endswith("/")), per_class)
        labels = torch.tensor([position[name.split("/")[-2]] for name in members])
        target = arrays / (f"{split}.npy" if per_class is None else f"{split}-{per_class}.npy")
        if not target.exists():
            _decode(archive, members, target)
    pixels = np.load(target, mmap_mode="r")
    if len(pixels) != len(members):
        raise UserInputError(
            f"{len(pixels)} decoded pictures for {len(members)} in the archive",
            on=str(target),
            remedy="remove the decoded array; it is made again",
        )
    return Pictures(pixels, labels, folders, tuple(name for _, name in classes), tuple(members))


def _first(members: list[str], per_class: int | None) -> list[str]:
    """The first of each class, then the second of each: those of a smaller number are the beginning of a larger one's."""
    place: dict[str, int] = {}
    numbered = []
    for member in members:
        folder = member.split("/")[-2]
        place[folder] = place.get(folder, -1) + 1
        numbered.append((place[folder], member))
    return [member for number, member in sorted(numbered) if per_class is None or number < per_class]


def _decode(archive: zipfile.ZipFile, members: list[str], target: Path) -> None:
    def pixels_of(member: str) -> npt.NDArray[np.uint8]:
        with Image.open(io.BytesIO(archive.read(member))) as picture:
            return np.asarray(picture.convert("RGB"))

    shape = pixels_of(members[0]).shape
    with atomic_path(target) as beside:
        array = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=(len(members), *shape))
        for row, member in enumerate(members):
            array[row] = pixels_of(member)
        array.flush()
