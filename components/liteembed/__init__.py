"""LiteEmbed (arXiv 2601.09661): adds a class by optimising its class embedding alone; no weight changes.

In: `KnownClasses` (from a bundle and the classes added to it) and `NewClasses` (an arrival). `add_classes` tries the
forms, chooses by leave-one-out evidence, and gives an `Addition`: for each class one vector and one offset whose score
stands beside the known classes' calibrated logits, with its evidence and an explanation. `Addition.extend` gives the
`KnownClasses` for the next arrival. Ledger, versions and gate are in other rooms.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.liteembed.add import Addition, ClassEmbedding, add_classes, make_forms, own_offset, try_forms
    from components.liteembed.background import WholeVocabulary
    from components.liteembed.carriers import Columns, KnownClasses, NewClasses
    from components.liteembed.evidence import Evidence, Form, OwnOffset, Tried, prefer, try_form
    from components.liteembed.explanation import Explanation, Misfit, Neighbour
    from components.liteembed.most_drop import MostDrop
    from components.liteembed.name_gate import asked_of_names, name_scores
    from components.liteembed.seen_unseen import SeenUnseen, seen_unseen
    from components.liteembed.settings import EmbeddingSettings, FormName, LiteEmbedSettings, TokenSettings
    from components.liteembed.vocabulary import Axes, Vocabulary, best_vocabulary, build_vocabulary, read_vocabulary

__all__ = [
    "Addition",
    "Axes",
    "ClassEmbedding",
    "Columns",
    "EmbeddingSettings",
    "Evidence",
    "Explanation",
    "Form",
    "FormName",
    "KnownClasses",
    "LiteEmbedSettings",
    "Misfit",
    "MostDrop",
    "Neighbour",
    "NewClasses",
    "OwnOffset",
    "SeenUnseen",
    "TokenSettings",
    "Tried",
    "Vocabulary",
    "WholeVocabulary",
    "add_classes",
    "asked_of_names",
    "best_vocabulary",
    "build_vocabulary",
    "make_forms",
    "name_scores",
    "own_offset",
    "prefer",
    "read_vocabulary",
    "seen_unseen",
    "try_form",
    "try_forms",
]

on_demand(__name__)
