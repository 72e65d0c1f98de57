"""The tables that `ingest` writes and every later stage reads: their columns, types and order."""

import pyarrow as pa

__all__ = ["CLASSES", "MANIFEST", "QUARANTINE", "SAMPLE"]

# One row per accepted photo, sorted by id.
MANIFEST = pa.schema(
    [
        ("id", pa.string()),  # SHA-256 of the file's bytes
        ("path", pa.string()),  # relative to the photo folder, with slashes
        ("class", pa.string()),  # the folder or label that identifies the class everywhere
        ("name", pa.string()),  # the class in words that a text encoder knows
        ("split", pa.string()),  # train, val, test; null where the data has no splits
        ("width", pa.int32()),  # pixels, the right way up
        ("height", pa.int32()),
        ("mode", pa.string()),  # Pillow's name of the file's own pixels
        ("bytes", pa.int64()),
        ("blur", pa.float64()),  # 0 crisp to 1 without any detail
        ("error", pa.string()),  # what was wrong with the file although it was decoded; mostly null
        ("thumbnail", pa.binary(256)),  # 16 x 16 grey, by which near-duplicates are found
        ("group", pa.string()),  # the lowest id among its near-duplicates; mostly its own
    ]
)

# One row per file that is not used, sorted by path and reason.
QUARANTINE = pa.schema(
    [
        ("path", pa.string()),
        ("class", pa.string()),
        ("split", pa.string()),
        ("reason", pa.string()),  # a code
        ("detail", pa.string()),  # for people
    ]
)

# One row per drawn photo, sorted by role, class and shot.
SAMPLE = pa.schema(
    [
        ("id", pa.string()),
        ("class", pa.string()),
        ("role", pa.string()),  # support, validation, query
        ("shot", pa.int32()),  # 0 is drawn first
    ]
)

# One row per class with a photo accepted, sorted by class.
CLASSES = pa.schema(
    [
        ("class", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),  # from classes.csv; mostly null
        ("named_by", pa.string()),  # classes.csv, list, folder
    ]
)
