"""Words in a backbone's text space, and the axes that they spread along.

The whole vocabulary, names of things and all words of the backbone's own tokenizer, takes from a minute (the embedded
backbone) to half an hour (ViT-B/32 on two cores) and is built once per backbone, in the background
(`components.liteembed.background`). The starter, the names of things alone, takes a few seconds and is used until then.
The ledger says which vocabulary an arrival was fitted with, so that it is fitted with the same one again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import normalize

from components.backbone import BackboneIdentity
from components.errors import UserInputError
from components.files import digest, sha256_bytes, write_bytes
from components.liteembed.things import names_of_things
from components.threads import one_thread

__all__ = ["Axes", "Vocabulary", "best_vocabulary", "build_vocabulary", "read_vocabulary", "vocabulary_path"]

_VERSION = 2
_BATCH = 256  # texts between two reports of progress

Kind = Literal["starter", "full"]


class _TextBackbone(Protocol):
    identity: BackboneIdentity

    def words(self) -> list[str]: ...
    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor: ...


@dataclass(frozen=True)
class Axes:
    """Principal axes of a vocabulary's text embeddings, widest spread first.

    Attributes:
        directions: (d, d) float32, orthonormal rows.
        shares: (d,) float32, share of the variance along each; they sum to 1.
    """

    directions: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Vocabulary:
    """Words and their text embeddings.

    Attributes:
        words: distinct; names of things first, then those that only the tokenizer knows, endings such as `ation` too.
        embeddings: (words, d) float32, unit length, half precision's values.
        template: the prompt they were encoded in.
        kind: `starter` or `full`.
    """

    words: tuple[str, ...]
    embeddings: Tensor
    template: str
    kind: Kind

    @cached_property
    def mean(self) -> Tensor:
        """(d,): the mean of all texts."""
        return self.embeddings.mean(0)

    @cached_property
    def axes(self) -> Axes:
        """PCA of the embeddings; signs fixed so that each direction's largest entry is positive."""
        centred = (self.embeddings - self.mean).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred)
        directions = vectors.T.flip(0)
        largest = directions.abs().argmax(1, keepdim=True)
        directions = directions * directions.gather(1, largest).sign()
        values = values.flip(0).clamp_min(0)
        return Axes(directions.float().contiguous(), (values / values.sum().clamp_min(1e-12)).float())

    @cached_property
    def digest(self) -> str:
        """One hash of words, embeddings and template."""
        rows = self.embeddings.half().contiguous().numpy().tobytes()
        return digest([list(self.words), self.template, sha256_bytes(rows)])

    @cached_property
    def things(self) -> Tensor:
        """(t,) int64: the words that name things, as people know them; all words if none does."""
        names = set(names_of_things())
        rows = [row for row, word in enumerate(self.words) if word in names]
        return torch.tensor(rows or range(len(self.words)))

    def nearest(self, directions: Tensor, most: int) -> list[list[str]]:
        """The names of things nearest to each of `directions` (k, d), by cosine about the mean of all words."""
        names = normalize(self.embeddings[self.things] - self.mean, dim=1)
        similar = normalize(directions - self.mean, dim=1) @ names.T
        order = self.things[similar.topk(min(most, len(names)), dim=1).indices]
        return [[self.words[word] for word in row] for row in order.tolist()]


def build_vocabulary(
    backbone: _TextBackbone,
    folder: Path,
    *,
    kind: Kind = "full",
    template: str = "a photo of a {}.",
    progress: Callable[[int, int], None] | None = None,
) -> Vocabulary:
    """Encode the words and write them to `folder`; a vocabulary that is there already is read.

    Two processes that build at once write the same bytes; `WholeVocabulary` ensures that only one builds.

    Args:
        backbone: encodes, and its identity names the file.
        folder: of the cache; made if missing.
        kind: `starter` for the names of things, `full` for the tokenizer's own words after them.
        template: prompt with `{}` where the word goes.
        progress: told how many words of how many are encoded.

    Raises:
        UserInputError: the tokenizer has no table of whole words.
    """
    found = read_vocabulary(backbone.identity, folder, kind=kind, template=template)
    if found is not None:
        return found
    words = list(names_of_things())
    if kind == "full":
        if not (own := backbone.words()):
            raise UserInputError(
                "its tokenizer tells no words",
                on=f"backbone {backbone.identity.name}",
                remedy="set liteembed.vocabulary to starter",
            )
        words = list(dict.fromkeys([*words, *own]))
    parts = []
    with one_thread():  # the same bits whenever it is built, also when the ledger is replayed
        for start in range(0, len(words), _BATCH):
            some = [template.format(word) for word in words[start : start + _BATCH]]
            parts.append(backbone.encode_texts(some).half())
            if progress is not None:
                progress(min(start + _BATCH, len(words)), len(words))
    embeddings = torch.cat(parts)
    facts = {"version": _VERSION, "words": words, "template": template, "kind": kind}
    # one string of metadata: safetensors writes several keys in random order
    content = save({"embeddings": embeddings}, metadata={"facts": json.dumps(facts, ensure_ascii=False)})
    write_bytes(vocabulary_path(backbone.identity, folder, kind, template), content)
    return Vocabulary(tuple(words), embeddings.float(), template, kind)


def best_vocabulary(backbone: _TextBackbone, folder: Path, *, template: str = "a photo of a {}.") -> Vocabulary:
    """The full vocabulary if it is built, else the starter, which is built now if it is missing."""
    full = read_vocabulary(backbone.identity, folder, template=template)
    return full if full is not None else build_vocabulary(backbone, folder, kind="starter", template=template)


def read_vocabulary(
    identity: BackboneIdentity, folder: Path, *, kind: Kind = "full", template: str = "a photo of a {}."
) -> Vocabulary | None:
    """The vocabulary that `build_vocabulary` wrote for this backbone; None if there is none that can be read."""
    path = vocabulary_path(identity, folder, kind, template)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            if facts["version"] != _VERSION:
                return None
            return Vocabulary(tuple(facts["words"]), file.get_tensor("embeddings").float(), facts["template"], kind)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None  # a cache: an unreadable file is built anew


def vocabulary_path(identity: BackboneIdentity, folder: Path, kind: Kind, template: str) -> Path:
    """Where that vocabulary is written to."""
    return folder / f"{kind}-{digest([identity.digest, template])[:16]}.safetensors"
