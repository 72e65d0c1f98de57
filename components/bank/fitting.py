"""Fits the columns of added classes from their photos and names by LiteEmbed; fast path and replay both use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from components.backbone import Backbone
from components.bank.bank import Bank
from components.bank.history import AddedClass
from components.classifier import Bundle
from components.features import Features, class_embeddings
from components.ingest import words_of
from components.liteembed import Addition, LiteEmbedSettings, MostDrop, NewClasses, Vocabulary, add_classes
from components.threads import one_thread

__all__ = ["ColumnFitter", "FittedColumns"]


@dataclass(frozen=True)
class FittedColumns:
    """The result of adding classes to a bank.

    Attributes:
        before: the bank that they were added to.
        new: the added classes, as LiteEmbed was given them.
        addition: what LiteEmbed made of them.
        bank: `before` with their columns.
    """

    before: Bank
    new: NewClasses
    addition: Addition
    bank: Bank


@dataclass(frozen=True)
class ColumnFitter:
    """Fits columns for added classes beside one bundle.

    Attributes:
        bundle: that the bank stands beside.
        backbone: that it was made with.
        features_of: features of photos by their SHA-256, one clean view each, levels as the head reads them.
        settings: see `LiteEmbedSettings`.
        vocabulary_of: the vocabulary of a kind (`starter`, `full`), None for the empty kind.
        progress: told the name of each form before it is tried.
        most_drop: what the gate lets an arrival cost the known classes.
    """

    bundle: Bundle
    backbone: Backbone
    features_of: Callable[[Sequence[str]], Features]
    settings: LiteEmbedSettings
    vocabulary_of: Callable[[str], Vocabulary | None]
    progress: Callable[[str], None] | None = None
    most_drop: MostDrop = field(default_factory=MostDrop)

    def __call__(self, bank: Bank, classes: Sequence[AddedClass], vocabulary: str) -> FittedColumns:
        """Fit columns for these classes; see `components.bank.replay.FitColumns`.

        One thread of arithmetic, so that fast path and replay come to the same bits on any number of cores.
        """
        features = self.features_of([photo for each in classes for photo in each.photos])
        with one_thread():
            words = [words_of(each.name) for each in classes]
            new = NewClasses(
                names=tuple(words),
                embeddings=features.embedding,
                labels=torch.arange(len(classes)).repeat_interleave(
                    torch.tensor([len(each.photos) for each in classes])
                ),
                known_logits=bank.logits(self.bundle, features),
                text_embeddings=None
                if self.bundle.text_embeddings is None
                else class_embeddings(words, self.bundle.templates, self.backbone),
            )
            prompt = (
                self.backbone.free_token_prompt(self.bundle.templates[0]) if "token" in self.settings.forms else None
            )
            addition = add_classes(
                bank.known,
                new,
                self.settings,
                most_drop=self.most_drop,
                vocabulary=self.vocabulary_of(vocabulary),
                prompt=prompt,
                progress=self.progress,
            )
        return FittedColumns(bank, new, addition, bank.added(new, addition, classes))
