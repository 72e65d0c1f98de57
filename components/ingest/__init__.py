"""Photos in, tables out: every image of a folder is opened once, judged and measured, and shots are drawn.

In: a photo folder (folder per class, train/val/test, a manifest or a CoOp split file), optionally a classes.csv, and
`IngestSettings`. Out: `Ingested`, the tables manifest, quarantine, sample and classes (`tables` has their columns).
`examined.py` keeps what was measured, so that a photo that has not changed is not read again by the next run.
`load_image` is the one way from a photo's bytes to pixels, for the features and for serving too.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.ingest.blur import blur_of
    from components.ingest.copying import PhotoCopy, copy_photos, plan_copy
    from components.ingest.decode import (
        Limits,
        PhotoError,
        count_pixels,
        load_image,
        none_usable,
        read_photo,
        rgb_image,
    )
    from components.ingest.label_words import (
        LabelWord,
        append_label_word,
        cut_label_words,
        holding,
        read_label_words,
    )
    from components.ingest.manifest import Ingested, Progress, ingest
    from components.ingest.names import words_of
    from components.ingest.near_duplicates import groups_of, thumbnail_of
    from components.ingest.placing import Placement, check_placed, plan_placement
    from components.ingest.sampling import draw_sample
    from components.ingest.settings import IngestSettings
    from components.ingest.sources import Entry, Listing, Note, unreadable_paths
    from components.ingest.twins import Twin, find_twins, near_any

__all__ = [
    "Entry",
    "IngestSettings",
    "Ingested",
    "LabelWord",
    "Limits",
    "Listing",
    "Note",
    "PhotoCopy",
    "PhotoError",
    "Placement",
    "Progress",
    "Twin",
    "append_label_word",
    "blur_of",
    "check_placed",
    "copy_photos",
    "count_pixels",
    "cut_label_words",
    "draw_sample",
    "find_twins",
    "groups_of",
    "holding",
    "ingest",
    "load_image",
    "near_any",
    "none_usable",
    "plan_copy",
    "plan_placement",
    "read_label_words",
    "read_photo",
    "rgb_image",
    "thumbnail_of",
    "unreadable_paths",
    "words_of",
]

on_demand(__name__)
