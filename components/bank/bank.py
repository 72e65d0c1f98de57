"""The bank: the added classes' columns beside a bundle, and what the next arrival needs to know of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from components.bank.facts import BANK_FACTS, BANK_REMEDY, BANK_VERSION, BankedClass, banked_classes
from components.bank.history import AddedClass
from components.classifier import Bundle
from components.errors import UserInputError
from components.features import Features
from components.files import digest, json_text, sha256_bytes, write_bytes, write_text
from components.liteembed import Addition, Columns, KnownClasses, NewClasses

__all__ = ["Bank"]

_TENSORS = "bank.safetensors"


@dataclass(frozen=True)
class Bank:
    """Added classes beside a bundle; never changed, each change gives a new one.

    Attributes:
        bundle: version of the bundle that it stands beside.
        n_trained: C, classes of that bundle.
        classes: the K added ones, in the order of their columns.
        columns: the added classes' columns.
        known: all C + K classes as the next arrival meets them.
    """

    bundle: str
    n_trained: int
    classes: tuple[BankedClass, ...]
    columns: Columns
    known: KnownClasses

    @classmethod
    def empty(cls, bundle: Bundle) -> Bank:
        """The bank without added classes beside this bundle."""
        support = bundle.support
        known = KnownClasses.of_head(
            bundle.display_names,
            support.embeddings,
            support.labels,
            out_of_fold=support.out_of_fold,
            seen=support.fitted,
            temperature=bundle.temperature,
            logit_scale=bundle.logit_scale,
            text_embeddings=bundle.text_embeddings,
            covariance=support.covariance,
        )
        nothing = Columns(torch.zeros(0, support.embeddings.shape[1]), torch.zeros(0))
        return cls(bundle.version, len(bundle.class_names), (), nothing, known)

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the added classes."""
        return tuple(each.name for each in self.classes)

    def logits(self, bundle: Bundle, features: Features) -> Tensor:
        """(n, C + K) float32, calibrated; softmax gives the answer. Without added classes the bundle's, bit for bit."""
        trained = bundle.head.scores(features) / bundle.temperature
        if not self.classes:
            return trained
        return torch.cat([trained, self.columns.scores(features.embedding, bundle.logit_scale)], 1)

    def added(self, new: NewClasses, addition: Addition, arrived: Sequence[AddedClass]) -> Bank:
        """This bank with the classes of one arrival after its own.

        Args:
            new: the arrival, its classes called by their words.
            addition: the columns that LiteEmbed made of them.
            arrived: the same classes as the ledger has them, under the names that people gave; photos in the order of the
                arrival's rows.
        """
        classes = tuple(
            BankedClass(
                name=known.name,
                photos=known.photos,
                since=known.since,
                form=each.form,
                name_means_something=each.name_means_something,
                recall=None if math.isnan(each.recall) else each.recall,
                explanation=asdict(each.explanation),
            )
            for each, known in zip(addition.classes, arrived, strict=True)
        )
        columns = addition.columns
        return replace(
            self,
            classes=self.classes + classes,
            columns=Columns(
                torch.cat([self.columns.vectors, columns.vectors]), torch.cat([self.columns.offsets, columns.offsets])
            ),
            known=addition.extend(self.known, new),
        )

    def without(self, name: str) -> Bank:
        """This bank without that class: its column and photos are removed; all else stays bit for bit."""
        place = self.names.index(name)
        others = torch.arange(len(self.classes)) != place
        number = self.n_trained + place
        known = self.known
        rows = known.labels != number
        columns = torch.arange(known.n_classes) != number
        labels = known.labels[rows]
        return replace(
            self,
            classes=tuple(each for each in self.classes if each.name != name),
            columns=Columns(self.columns.vectors[others], self.columns.offsets[others]),
            known=KnownClasses(
                names=tuple(each for each, kept in zip(known.names, columns.tolist(), strict=True) if kept),
                embeddings=known.embeddings[rows],
                labels=labels - (labels > number).long(),
                logits=known.logits[rows][:, columns],
                held_out=known.held_out[rows],
                logit_scale=known.logit_scale,
                text_embeddings=None if known.text_embeddings is None else known.text_embeddings[columns],
                covariance=known.covariance,
            ),
        )

    def renamed(self, name: str, new_name: str) -> Bank:
        """This bank with another name for that class; its column stays, made from the words it came with."""
        return replace(
            self,
            classes=tuple(replace(each, name=new_name) if each.name == name else each for each in self.classes),
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything in it."""
        return sha256_bytes(json_text(self._facts(self._tensors())).encode())

    @property
    def version(self) -> str:
        """The version of the bundle with this bank: same content, same name; the bundle's own if nothing was added."""
        return self.bundle if not self.classes else digest([self.bundle, self.digest])[:12]

    def known_photos(self, bundle: Bundle) -> list[str]:
        """The SHA-256 of each photo of `known`, in the order of its rows."""
        photos = [iter(bundle.split[name]) for name in bundle.class_names] + [
            iter(each.photos) for each in self.classes
        ]
        return [
            next(photos[label]) for label in self.known.labels.tolist()
        ]  # photos of a class are in the order of its rows

    def save(self, folder: Path) -> None:
        """Write `folder`; the same bank gives the same bytes. `bank.json` comes last and vouches for the rest."""
        tensors = self._tensors()
        write_bytes(folder / _TENSORS, tensors)
        write_text(folder / BANK_FACTS, json_text(self._facts(tensors)))

    @classmethod
    def load(cls, folder: Path, bundle: Bundle) -> Bank:
        """Read what `save` wrote beside this very bundle.

        Raises:
            UserInputError: there is none, it is damaged, or belongs to another bundle.
        """
        try:
            facts = json.loads((folder / BANK_FACTS).read_text(encoding="utf-8"))
            content = (folder / _TENSORS).read_bytes()
            if facts["version"] != BANK_VERSION or facts["tensors"] != sha256_bytes(content):
                raise ValueError("another version, or damaged")
            tensors = load(content)
            classes = banked_classes(facts)
            known = KnownClasses(
                names=tuple(facts["known_names"]),
                embeddings=tensors["embeddings"],
                labels=tensors["labels"],
                logits=tensors["logits"],
                held_out=tensors["held_out"],
                logit_scale=bundle.logit_scale,
                text_embeddings=tensors.get("text_embeddings"),
                covariance=bundle.support.covariance,
            )
            bank = cls(
                facts["bundle"],
                len(bundle.class_names),
                classes,
                Columns(tensors["vectors"], tensors["offsets"]),
                known,
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise UserInputError(f"the bank cannot be read: {error}", on=str(folder), remedy=BANK_REMEDY) from error
        if bank.bundle != bundle.version:
            raise UserInputError(
                f"the bank belongs to the bundle {bank.bundle}, not to {bundle.version}",
                on=str(folder),
                remedy=BANK_REMEDY,
            )
        return bank

    def _tensors(self) -> bytes:
        known = self.known
        tensors = {
            "vectors": self.columns.vectors,
            "offsets": self.columns.offsets,
            "embeddings": known.embeddings,
            "labels": known.labels,
            "logits": known.logits,
            "held_out": known.held_out,
        }
        if known.text_embeddings is not None:
            tensors["text_embeddings"] = known.text_embeddings
        return save({name: tensor.contiguous() for name, tensor in tensors.items()})

    def _facts(self, tensors: bytes) -> dict[str, Any]:
        return {
            "version": BANK_VERSION,
            "bundle": self.bundle,
            "classes": [asdict(each) for each in self.classes],
            "known_names": list(self.known.names),
            "tensors": sha256_bytes(tensors),
        }
