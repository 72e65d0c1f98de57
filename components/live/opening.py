"""A workspace's live part, put together: what the command line, the flows and the service change classes through."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

from PIL import Image

from components.backbone import Backbone, BackboneSettings, load_backbone
from components.bank import ArrivalPhotos, Arriver, Ledger
from components.classifier import Bundle
from components.errors import UserInputError
from components.features import FeatureCache, Features, FeaturesSettings, View, encode_missing, feature_key
from components.heads import level_mode_of
from components.ingest import IngestSettings
from components.liteembed import LiteEmbedSettings, Vocabulary, best_vocabulary, build_vocabulary, read_vocabulary
from components.live.changes import Changes, Stamp
from components.live.consolidation import Consolidation
from components.live.settings import GateSettings
from components.live.versions import Versions
from components.workspace import Workspace

__all__ = ["LiveWorkspace"]


class LiveWorkspace:
    """The live part of a workspace; what is heavy is loaded once, at its first use.

    Args:
        workspace: see `Workspace`.
        progress: told of forms and words while they are worked on.
    """

    def __init__(self, workspace: Workspace, progress: Callable[[str], None] | None = None) -> None:
        self._workspace = workspace
        self._progress = progress
        parameters = workspace.parameters
        self._settings = parameters.section("liteembed", LiteEmbedSettings)
        self._mode = parameters.section("features", FeaturesSettings).mode
        self.ledger = Ledger(workspace.arrivals / "ledger.jsonl")
        self.photos = ArrivalPhotos(workspace.arrivals / "photos")
        self.versions = Versions(workspace.live)
        self.consolidation = Consolidation(
            workspace.raw, self.photos, self.ledger, parameters.section("ingest", IngestSettings).listing
        )
        self._backbone_for = cache(self._load_backbone)
        self.changes = Changes(
            self.ledger,
            self.photos,
            self.versions,
            self.arriver_for,
            parameters.section("gate", GateSettings),
            beside=(workspace.root / "dvc.lock", workspace.root / "params.yaml"),
        )

    @classmethod
    def open(cls, workspace: Workspace, progress: Callable[[str], None] | None = None) -> LiveWorkspace:
        """The live part, with the bundle that the stages wrote made live where nothing is yet, as after a pull."""
        live = cls(workspace, progress)
        if live.versions.current_name() is None and (workspace.bundle / "bundle.json").is_file():
            live.changes.adopt(workspace.bundle, live.stamp())
        return live

    def warm(self) -> None:
        """Load what the first arrival would wait for: backbone and vocabulary; and take a first step with each.

        Raises:
            UserInputError: nothing is live yet.
        """
        version = self.versions.current()
        if version is None:
            raise UserInputError(
                "nothing is live yet", on=str(self.versions.folder), remedy="train first: shotline train PHOTOS"
            )
        bundle = self.versions.load(version)[0]
        backbone = self._backbone_for(bundle.backbone["name"])
        backbone.encode_images(backbone.preprocess(Image.new("RGB", (64, 64)))[None], levels=True)
        self.vocabulary_kind(bundle)

    def arriver_for(self, bundle: Bundle) -> Arriver:
        """Adds classes beside this bundle."""
        backbone = self._backbone_for(bundle.backbone["name"])
        return Arriver(
            bundle,
            backbone,
            lambda photos: self.features_of(photos, bundle, backbone),
            self._settings,
            lambda kind: self._vocabulary(kind, bundle, backbone),
            self._progress,
        )

    def encode(self, photos: Sequence[str], bundle: Bundle) -> None:
        """Encode those of the arrivals' photos that are not cached yet, so that `features_of` only reads."""
        self.features_of(photos, bundle, self._backbone_for(bundle.backbone["name"]))

    def features_of(self, photos: Sequence[str], bundle: Bundle, backbone: Backbone) -> Features:
        """Features of arrivals' photos, levels as the head reads them; what is not cached is encoded."""
        views = [View(photo) for photo in photos]
        folder = FeatureCache(self._workspace.features_cache)
        encode_missing(views, self.photos.files(photos), backbone, folder, mode=self._mode, limits=bundle.limits)
        read = folder.read([feature_key(view, backbone.identity.digest, self._mode) for view in views])
        return read.pooled() if level_mode_of(bundle.head) == "pooled" else read

    def vocabulary_kind(self, bundle: Bundle) -> str:
        """Which vocabulary judges a name that comes now: the full one where it is built, else the starter."""
        if bundle.text_embeddings is None:
            return ""
        backbone = self._backbone_for(bundle.backbone["name"])
        return best_vocabulary(backbone, self._vocabularies, template=bundle.templates[0]).kind

    @staticmethod
    def stamp() -> Stamp:
        """The user of this process, now."""
        return Stamp(getpass.getuser(), datetime.now(UTC).isoformat(timespec="milliseconds"))

    @property
    def _vocabularies(self):  # type: ignore[no-untyped-def]
        return self._workspace.features_cache / "vocabulary"

    def _vocabulary(self, kind: str, bundle: Bundle, backbone: Backbone) -> Vocabulary | None:
        if not kind:
            return None
        known = read_vocabulary(backbone.identity, self._vocabularies, kind=kind, template=bundle.templates[0])  # type: ignore[arg-type]
        return known or build_vocabulary(backbone, self._vocabularies, kind=kind, template=bundle.templates[0])  # type: ignore[arg-type]

    def _load_backbone(self, name: str) -> Backbone:
        settings = self._workspace.parameters.section("backbone", BackboneSettings)
        return load_backbone(name, models=self._workspace.models, device=settings.device, precision=settings.precision)
