"""Opens a workspace's live part, through which command line, flows and service change classes."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from components.artefacts import PhotoTables
from components.backbone import Backbone, BackboneSettings, load_with_beside
from components.bank import AnswerBatch, Answering, ArrivalPhotos, Bank, ColumnFitter, Ledger
from components.classifier import Bundle, holds_bundle
from components.errors import UserInputError
from components.features import FeatureCache, Features, FeaturesSettings, PhotoFeatures, View
from components.ingest import IngestSettings, Twin, find_twins
from components.liteembed import LiteEmbedSettings, Vocabulary, WholeVocabulary, build_vocabulary
from components.live.changes import Changes, Stamp
from components.live.consolidation import Consolidation
from components.live.settings import GateSettings
from components.live.versions import Versions
from components.workspace import Workspace

__all__ = ["LiveWorkspace"]

_AT_ONCE = 4096  # photos whose feature levels are in memory


class LiveWorkspace:
    """The live part of a workspace; backbone and classifier are loaded once, at their first use.

    Args:
        workspace: see `Workspace`.
        progress: called with the name of each form before it is tried.
        words: called with (words encoded, words in all), if a vocabulary has to be built first.
    """

    def __init__(
        self,
        workspace: Workspace,
        progress: Callable[[str], None] | None = None,
        words: Callable[[int, int], None] | None = None,
    ) -> None:
        self._workspace = workspace
        self._progress = progress
        self._words = words
        parameters = workspace.parameters
        self._settings = parameters.section("liteembed", LiteEmbedSettings)
        self._gate = parameters.section("gate", GateSettings)
        self._ingest = parameters.section("ingest", IngestSettings)
        self._mode = parameters.section("features", FeaturesSettings).mode
        self.ledger = Ledger(workspace.ledger)
        self.photos = ArrivalPhotos(workspace.arrivals / "photos")
        self.versions = Versions(workspace.live)
        self.consolidation = Consolidation(workspace.raw, self.photos, self.ledger, self._ingest.listing)
        self._backbone_for = cache(self._load_backbone)
        self.changes = Changes(
            self.ledger,
            self.photos,
            self.versions,
            self.fitter_for,
            self._gate,
            beside=(workspace.root / "dvc.lock", workspace.root / "params.yaml"),
        )

    @classmethod
    def open(cls, workspace: Workspace, progress: Callable[[str], None] | None = None) -> LiveWorkspace:
        """The live part; if nothing is live yet, as after a pull, the stages' bundle is made live."""
        live = cls(workspace, progress)
        if live.versions.current_name() is None and holds_bundle(workspace.bundle):
            live.changes.adopt(workspace.bundle, live.stamp())
        return live

    def loaded(self) -> tuple[Bundle, Bank]:
        """Bundle and bank of what is live.

        Raises:
            UserInputError: nothing is live yet.
        """
        return self.versions.load(self.versions.in_use())

    def class_names(self) -> tuple[str, ...]:
        """Names of the live classes: trained ones, then added ones; raises as `loaded`."""
        bundle, bank = self.loaded()
        return (*bundle.class_names, *bank.names)

    def twins_of(self, thumbnails: Mapping[str, bytes]) -> dict[str, Twin]:
        """Photos that nearly equal a photo of the photo folder or an earlier one; see `find_twins`."""
        return find_twins(thumbnails, PhotoTables(self._workspace.ingested).manifest_file, self._ingest.near_duplicate)

    def warm(self) -> None:
        """Load backbone and vocabulary, for which the first arrival would wait, and run each once.

        Raises:
            UserInputError: nothing is live yet.
        """
        bundle = self.loaded()[0]
        backbone = self._backbone_of(bundle)
        backbone.encode_images(backbone.preprocess(Image.new("RGB", (64, 64)))[None], levels=True)
        self.vocabulary_kind(bundle)

    def fitter_for(self, bundle: Bundle) -> ColumnFitter:
        """Adds classes beside this bundle."""
        backbone = self._backbone_of(bundle)
        return ColumnFitter(
            bundle,
            backbone,
            lambda photos: self.features_of(photos, bundle, backbone),
            self._settings,
            lambda kind: self._vocabulary(kind, bundle, backbone),
            self._progress,
            self._gate.most_drop,
        )

    def encode(
        self, photos: Sequence[str], bundle: Bundle, images: Mapping[str, Image.Image] | None = None
    ) -> Features:
        """Features of arrivals' photos, levels as the head reads them; photos that are not cached are encoded.

        Args:
            photos: their SHA-256.
            bundle: that is live.
            images: pixels of those that are decoded already, by SHA-256.
        """
        return self.features_of(photos, bundle, self._backbone_of(bundle), images)

    def answers_to(self, photos: Sequence[str], files: Callable[[], Mapping[str, Path]]) -> tuple[AnswerBatch, Tensor]:
        """Answers of the live classifier to photos anywhere, and their embeddings (n, d); uncached photos are encoded.

        Raises:
            UserInputError: nothing is live yet.
        """
        bundle, bank = self.loaded()
        answering, backbone = Answering(bundle, bank), self._backbone_of(bundle)
        logits, embeddings = [], []
        for start in range(0, len(photos), _AT_ONCE):
            features = self.features_of(photos[start : start + _AT_ONCE], bundle, backbone, files=files)
            logits.append(bank.logits(bundle, features))
            embeddings.append(features.embedding)
        return answering.of_logits(torch.cat(logits)), torch.cat(embeddings)

    def features_of(
        self,
        photos: Sequence[str],
        bundle: Bundle,
        backbone: Backbone,
        images: Mapping[str, Image.Image] | None = None,
        files: Callable[[], Mapping[str, Path]] | None = None,
    ) -> Features:
        """See `encode`.

        Args:
            photos: their SHA-256.
            bundle: that is live.
            backbone: its backbone.
            images: pixels of those that are decoded already, by SHA-256.
            files: where photos lie that are no arrivals'.
        """
        features = PhotoFeatures(
            FeatureCache(self._workspace.features_cache),
            mode=self._mode,
            made_with=backbone.identity,
            backbone=lambda: backbone,
            files=files or (lambda: self.photos.files(photos)),
            limits=bundle.limits,
        )
        pooled = bundle.head.level_mode == "pooled"
        return features.read([View(photo) for photo in photos], pooled=pooled, images=images)

    def vocabulary_kind(self, bundle: Bundle) -> str:
        """The vocabulary that judges a new name: the full one if it is built, else the starter.

        The full one is then started in the background, unless `liteembed.vocabulary` says that the starter is enough.
        """
        if bundle.text_embeddings is None:
            return ""
        if self._settings.vocabulary == "starter":
            return "starter"
        whole = self.whole_vocabulary(bundle)
        if whole.read() is not None:
            return "full"
        name = bundle.backbone["name"]
        whole.begin(self._workspace.models, replace(self._backbone_settings, name=name, beside="none"))
        return "starter"

    def words_to_come(self, bundle: Bundle) -> tuple[int, int] | None:
        """How many words of how many are encoded while the full vocabulary is being built; None if it is not."""
        if bundle.text_embeddings is None or self._settings.vocabulary == "starter":
            return None
        return self.whole_vocabulary(bundle).progress()

    def whole_vocabulary(self, bundle: Bundle) -> WholeVocabulary:
        """The full vocabulary of the bundle's backbone, built or being built."""
        return WholeVocabulary(self._backbone_of(bundle).first, self._vocabularies, bundle.templates[0])

    def build_whole_vocabulary(self, progress: Callable[[int, int], None]) -> int:
        """Build the full vocabulary of the live version's backbone, or wait for its builder; returns its number of
        words.

        Args:
            progress: told how many words of how many are encoded.

        Raises:
            UserInputError: nothing is live, or the backbone has no words.
        """
        bundle, _ = self.loaded()
        if bundle.text_embeddings is None:
            raise UserInputError(
                "this backbone has no words", on=bundle.backbone["name"], remedy="photos speak alone here"
            )
        whole = self.whole_vocabulary(bundle)
        return len((whole.read() or whole.build(progress)).words)

    @staticmethod
    def stamp() -> Stamp:
        """The user of this process, and the time now."""
        return Stamp(getpass.getuser(), datetime.now(UTC).isoformat(timespec="milliseconds"))

    @property
    def _vocabularies(self) -> Path:
        return self._workspace.features_cache / "vocabulary"

    def _vocabulary(self, kind: str, bundle: Bundle, backbone: Backbone) -> Vocabulary | None:
        if not kind:
            return None
        if kind == "full":
            whole = self.whole_vocabulary(bundle)
            found = whole.read() or whole.build(self._words)
        else:
            found = build_vocabulary(
                backbone.first, self._vocabularies, kind="starter", template=bundle.templates[0], progress=self._words
            )
        return found if backbone.first is backbone else replace(found, embeddings=backbone.widened(found.embeddings))

    @property
    def _backbone_settings(self) -> BackboneSettings:
        return self._workspace.parameters.section("backbone", BackboneSettings)

    def _backbone_of(self, bundle: Bundle) -> Backbone:
        beside = bundle.backbone.get("beside") or {"name": "none", "weight": 1.0}
        return self._backbone_for(bundle.backbone["name"], beside["name"], beside["weight"])

    def _load_backbone(self, name: str, beside: str, weight: float) -> Backbone:
        settings = replace(self._backbone_settings, name=name, beside=beside, beside_weight=weight)
        return load_with_beside(settings, self._workspace.models)
