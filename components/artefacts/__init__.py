"""Every file that crosses from one stage to another: one owner, one typed reader and writer each.

In: what a stage has made, and its folder. Out: the same, typed, for the stages and rooms that read it; one clear error
where the stage has not run. The bundle, the fitted heads and the bank belong to the rooms that make them
(`components.classifier`, `components.bank`).
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.artefacts.answers import (
        ANSWERED_COLUMNS,
        AnsweredPhoto,
        answers_file,
        answers_text,
        read_answers,
        read_answers_by_head,
        write_answers,
        write_answers_by_head,
    )
    from components.artefacts.backbone_facts import BackboneFacts
    from components.artefacts.class_texts import ClassTexts
    from components.artefacts.deconfused import Pair, read_pairs, write_pairs
    from components.artefacts.embeddings import (
        EMBEDDING_SCHEMA,
        embeddings_file,
        read_clean_embeddings,
        read_embeddings,
        view_id,
        write_embeddings,
    )
    from components.artefacts.feature_keys import FeatureKeys
    from components.artefacts.metrics import metrics_file, read_metrics, write_metrics
    from components.artefacts.photo_tables import PhotoTables
    from components.artefacts.pool_facts import PoolFacts
    from components.artefacts.projector import projector_facts, read_projector, write_projector

__all__ = [
    "ANSWERED_COLUMNS",
    "EMBEDDING_SCHEMA",
    "AnsweredPhoto",
    "BackboneFacts",
    "ClassTexts",
    "FeatureKeys",
    "Pair",
    "PhotoTables",
    "PoolFacts",
    "answers_file",
    "answers_text",
    "embeddings_file",
    "metrics_file",
    "projector_facts",
    "read_answers",
    "read_answers_by_head",
    "read_clean_embeddings",
    "read_embeddings",
    "read_metrics",
    "read_pairs",
    "read_projector",
    "view_id",
    "write_answers",
    "write_answers_by_head",
    "write_embeddings",
    "write_metrics",
    "write_pairs",
    "write_projector",
]

on_demand(__name__)
