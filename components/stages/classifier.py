"""The stage classifier: heads fitted on the support set, the honest choice, calibration; the bundle."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from components.artefacts import BackboneFacts, ClassTexts, PhotoTables, read_projector
from components.classifier import (
    Bundle,
    Choice,
    ClassifierSettings,
    SupportRecord,
    choose,
    fit_candidates,
    load_candidates,
    save_candidates,
)
from components.heads import Support
from components.ingest import IngestSettings
from components.stages.reporter import Reporter
from components.stages.rows import Rows, read_pool, read_rows
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["read_support", "run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write the chosen classifier to `models/bundle`, all fitted candidates to `models/heads`.

    No query image is read here.
    """
    settings = workspace.parameters.section("classifier", ClassifierSettings)
    rows = read_rows(workspace, "support", reporter)
    from_ldc = load_candidates(workspace.ldc)
    validation = read_rows(workspace, "validation", reporter, heads=[candidate.head for candidate in from_ldc])
    pool = read_pool(workspace)
    names: list[str] = []

    def tell(name: str) -> None:
        names.append(name)
        reporter.note(f"fitting {name}")

    with one_thread():
        support = read_support(workspace, rows, pool)
        candidates = fit_candidates(support, settings.candidates, tell) + from_ldc
        choice = choose(
            candidates,
            support,
            validation=read_support(workspace, validation) if validation.image_ids else None,
            unknown_share=settings.unknown_share,
            wanted_accuracy=settings.wanted_accuracy,
        )
    save_candidates(choice.calibrated(candidates), workspace.models / "heads")
    # Fine levels are read only if the shipped head needs them.
    seen = (
        rows if choice.head.level_mode == "pooled" else read_rows(workspace, "support", reporter, heads=[choice.head])
    )
    with one_thread():
        fitted = choice.head.scores(seen.features[seen.views == 0])
    bundle = _bundle(workspace, choice, support, rows, fitted)
    bundle.save(workspace.bundle)
    reporter.note(choice.why)
    if choice.threshold_why:
        reporter.note(choice.threshold_why)
    return {
        "heads": [*names, *(candidate.name for candidate in from_ldc)],
        "shipped": choice.name,
        "version": bundle.version,
    }


def read_support(workspace: Workspace, rows: Rows, pool: Tensor | None = None) -> Support:
    """The `Support` of rows that may be chosen on, with the prior knowledge of their classes."""
    settings = workspace.parameters.section("classifier", ClassifierSettings)
    texts = ClassTexts.read(workspace.features)
    return Support(
        features=rows.features,
        labels=rows.labels,
        images=rows.images,
        groups=rows.groups,
        views=rows.views,
        n_classes=len(texts.text_embeddings),
        text_embeddings=texts.text_embeddings,
        logit_scale=BackboneFacts.read(workspace.features).logit_scale,
        covariance=texts.covariance,
        pool=pool,
        projector=read_projector(workspace.features),
        seed=workspace.parameters.section("ingest", IngestSettings).seed,
        n_folds=settings.folds,
        n_repeats=settings.repeats,
    )


def _bundle(workspace: Workspace, choice: Choice, support: Support, rows: Rows, fitted: Tensor) -> Bundle:
    facts = BackboneFacts.read(workspace.features)
    classes = PhotoTables(workspace.validated).classes()
    ingest = workspace.parameters.section("ingest", IngestSettings)
    clean: Tensor = rows.views == 0
    clean_ids = [image_id for image_id, is_clean in zip(rows.image_ids, clean.tolist(), strict=True) if is_clean]
    split: dict[str, list[str]] = {name: [] for name in classes["class"].to_pylist()}
    for image_id, label in zip(clean_ids, support.clean.labels.tolist(), strict=True):
        split[classes["class"][label].as_py()].append(image_id)
    return Bundle(
        class_names=tuple(classes["class"].to_pylist()),
        display_names=tuple(classes["name"].to_pylist()),
        head=choice.head,
        temperature=choice.temperature,
        threshold=choice.threshold,
        backbone=facts.identity,
        logit_scale=facts.logit_scale,
        templates=facts.templates,
        split=split,
        why=choice.why,
        evidence=choice.evidence,
        support=SupportRecord(
            embeddings=support.clean.features.embedding,
            labels=support.clean.labels,
            groups=support.clean.groups,
            out_of_fold=choice.out_of_fold,
            fitted=fitted,
            covariance=support.covariance,
        ),
        limits=ingest.limits,
        text_embeddings=support.text_embeddings,
        provenance={
            "shots": ingest.shots,
            "seed": ingest.seed,
            "head": choice.name,
            **({"threshold": choice.threshold_why} if choice.threshold_why else {}),
        },
    )
