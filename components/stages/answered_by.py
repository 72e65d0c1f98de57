"""Any saved classifier's answers to this workspace's measured photos, so that two can be compared on the same ones."""

from __future__ import annotations

from pathlib import Path

import torch

from components.artefacts import AnsweredPhoto, BackboneFacts, PhotoTables
from components.backbone import BackboneSettings
from components.bank import Answering, Bank
from components.classifier import Bundle
from components.evaluate import answered_photos
from components.stages.evaluate import photo_paths
from components.stages.reporter import Reporter
from components.stages.rows import read_query
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["answered_by"]


def answered_by(workspace: Workspace, folder: Path, reporter: Reporter) -> list[AnsweredPhoto]:
    """One row per query photo of the workspace that the classifier has not learnt from and whose class it knows.

    Without a query split: one row per photo that was held out when it was made, answered by heads that had not learnt
    from it.

    Args:
        workspace: has the photos.
        folder: with `bundle/` and, if classes were added, `bank/`: `models`, or a live version's folder.
        reporter: receives progress if photos must be encoded.

    Raises:
        UserInputError: the classifier, or what the stages wrote, cannot be read.
    """
    bundle = Bundle.load(folder / "bundle")
    bank = Bank.load(folder / "bank", bundle) if (folder / "bank").is_dir() else Bank.empty(bundle)
    answering = Answering(bundle, bank)
    names = (*bundle.class_names, *bank.names)
    paths = photo_paths(workspace)
    query = read_query(workspace, reporter, heads=[bundle.head])
    if query is None:
        known, photos = bank.known, bank.known_photos(bundle)
        rows = torch.nonzero(known.held_out).flatten()
        with one_thread():
            answers = answering.of_logits(known.logits[rows])
        actual = [names[label] for label in known.labels[rows].tolist()]
        return answered_photos(answers, names, [paths(photos[row]) for row in rows.tolist()], actual, bank.version)
    classes = PhotoTables(workspace.validated).class_names()
    learnt = {photo for photos in bundle.split.values() for photo in photos}
    learnt |= {photo for each in bank.classes for photo in each.photos}
    actual = [classes[label] for label in query.labels.tolist()]
    keep = [
        row
        for row, (photo, name) in enumerate(zip(query.image_ids, actual, strict=True))
        if photo not in learnt and name in names
    ]
    asked = [paths(query.image_ids[row]) for row in keep]
    if not _same_backbone(workspace, bundle):
        return _by_files(workspace, folder, asked, [actual[row] for row in keep])
    with one_thread():
        answers = answering.answer(query.features[torch.tensor(keep, dtype=torch.int64)])
    return answered_photos(answers, names, asked, [actual[row] for row in keep], bank.version)


def _same_backbone(workspace: Workspace, bundle: Bundle) -> bool:
    facts = BackboneFacts.read(workspace.features).identity
    return all(facts[name] == bundle.backbone.get(name) for name in ("weights", "preprocessing"))


def _by_files(workspace: Workspace, folder: Path, paths: list[str], actual: list[str]) -> list[AnsweredPhoto]:
    """The same rows, with photos encoded by the classifier's own backbone; broken photos are left out."""
    from components.ingest import PhotoError
    from components.serving.answers import PhotoClassifier
    from components.serving.saved import Saved

    settings = workspace.parameters.section("backbone", BackboneSettings)
    bank = folder / "bank"
    saved = Saved(folder / "bundle", bank if bank.is_dir() else None, workspace.models)
    classifier = PhotoClassifier.of_saved(saved, settings, top=2)
    rows = []
    answers = classifier.answer_files([workspace.root / path for path in paths])
    for path, label, (_, answer) in zip(paths, actual, answers, strict=True):
        if isinstance(answer, PhotoError):
            continue
        best, *others = answer.top
        second = others[0] if others else None
        rows.append(
            AnsweredPhoto(
                path,
                label,
                best.class_name,
                best.probability,
                None if second is None else second.class_name,
                None if second is None else second.probability,
                answer.likely,
                answer.abstained,
                answer.bank,
            )
        )
    return rows
