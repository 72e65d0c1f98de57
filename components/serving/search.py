"""Finds the photos that resemble a question: a text, or a photo, which may be one of the workspace's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from components.artefacts import PhotoTables, embeddings_file
from components.errors import UserInputError
from components.files import sha256_bytes
from components.ingest import IngestSettings, PhotoError, load_image, read_photo
from components.ingest.decode import EXTENSIONS
from components.retrieval import Photos, SimilarPhoto
from components.serving.photo_errors import for_asker
from components.workspace import Workspace

if TYPE_CHECKING:
    from components.backbone import Backbone

__all__ = ["LatestPhotos", "photo_of", "search"]


def search(workspace: Workspace, question: str, top: int) -> tuple[list[SimilarPhoto], Photos]:
    """The photos of a workspace that resemble a text or a photo, most similar first.

    A text is encoded as written. A photo that is one of the workspace's own is not encoded again, and is itself among
    the results.

    Args:
        workspace: trained; see `Photos.read` for which photos it has.
        question: path of a photo, or a text; see `photo_of`.
        top: how many at most.

    Returns:
        The photos found, and all photos that were searched.

    Raises:
        UserInputError: nothing is trained, the photo cannot be used, or the backbone is missing or another one.
    """
    photo = photo_of(question)
    photos = Photos.read(workspace)
    if photo is None:
        return photos.like(_backbone(workspace, photos).encode_texts([question])[0].numpy(), top), photos
    limits = workspace.parameters.section("ingest", IngestSettings).limits
    try:
        content = read_photo(photo, limits, name=str(photo))
        embedding = photos.embedding_of(sha256_bytes(content))
        if embedding is None:
            image = load_image(content, limits, name=str(photo))
            backbone = _backbone(workspace, photos)
            embedding = backbone.encode_images(backbone.preprocess(image)[None]).embedding[0].cpu().numpy()
    except PhotoError as error:
        raise for_asker(error) from error
    return photos.like(embedding, top), photos


class LatestPhotos:
    """A workspace's photos for a long-lived process, read again after training or an arrival has changed them.

    Args:
        root: the workspace's folder.
    """

    def __init__(self, root: Path) -> None:
        self._workspace = Workspace(root)
        self._read: tuple[object, Photos] | None = None

    def read(self, backbone: Backbone) -> Photos:
        """The photos as they are now, for comparison with encodings of this backbone; raises as `Photos.read` does.

        Raises:
            UserInputError: their embeddings were made with another one.
        """
        sources = (
            embeddings_file(self._workspace.features),
            PhotoTables(self._workspace.validated).manifest_file,
            self._workspace.ledger,
        )
        state = [(path.stat().st_mtime_ns, path.stat().st_size) if path.is_file() else None for path in sources]
        if self._read is None or self._read[0] != state:
            self._read = (state, Photos.read(Workspace(self._workspace.root)))  # with the parameters of now
        photos = self._read[1]
        from components.backbone import require_same_backbone  # loads torch, as who has a backbone has done

        require_same_backbone(
            backbone,
            photos.backbone.identity,
            what="data/features",
            on=self._workspace.features,
            remedy="run `shotline train`, or `shotline rollback` to a version of that backbone",
        )
        return photos


def photo_of(question: str) -> Path | None:
    """The photo that a question means, an existing file; None if the question is a text.

    Raises:
        UserInputError: it is empty, or its name is like a photo's and there is no such file.
    """
    if not question.strip():
        raise UserInputError("there is nothing to search for", on="QUERY", remedy="give a text, or the path of a photo")
    path = Path(question)
    try:
        if path.is_file():
            return path
    except OSError:  # a text may be longer than a file's name
        return None
    if path.suffix.lower() in EXTENSIONS:
        raise UserInputError(
            "there is no such photo",
            on=question,
            remedy="check the path; a text is one that does not end like the name of a photo",
        )
    return None


def _backbone(workspace: Workspace, photos: Photos) -> Backbone:
    from components.retrieval.backbone import backbone_of_features  # loads torch, which a known photo does without

    return backbone_of_features(workspace, photos.backbone)
