"""The three tables of ingest as lists that a test changes, and their validation."""

import hashlib
import os
import warnings
from typing import Any

import pyarrow as pa

from components.validate import ValidateSettings, ValidationVerdict, validate

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

# As ingest writes them; spelt out here, since they are what the two rooms agree on.
MANIFEST = pa.schema(
    [(name, pa.string()) for name in ("id", "path", "class", "name", "split")]
    + [("width", pa.int32()), ("height", pa.int32()), ("mode", pa.string()), ("bytes", pa.int64())]
    + [("blur", pa.float64()), ("error", pa.string()), ("thumbnail", pa.binary(256)), ("group", pa.string())]
)
QUARANTINE = pa.schema([(name, pa.string()) for name in ("path", "class", "split", "reason", "detail")])
SAMPLE = pa.schema([("id", pa.string()), ("class", pa.string()), ("role", pa.string()), ("shot", pa.int32())])

Row = dict[str, Any]


class Photos:
    """The three tables, as lists that a test changes before they are checked."""

    def __init__(self) -> None:
        self.manifest: list[Row] = []
        self.quarantine: list[Row] = []
        self.sample: list[Row] = []

    def add(self, path: str, label: str, role: str | None, **changed: Any) -> Row:
        """An accepted photo; drawn for `role` where given, and in the split that the role comes from."""
        image_id = hashlib.sha256(path.encode()).hexdigest()
        split = {"support": "train", "validation": "val", "query": "test", None: "train"}[role]
        row: Row = {
            "id": image_id,
            "path": path,
            "class": label,
            "name": label,
            "split": split,
            "width": 64,
            "height": 48,
        }
        row |= {"mode": "RGB", "bytes": 999, "blur": 0.3, "error": None, "thumbnail": bytes(256), "group": image_id}
        row |= changed
        self.manifest.append(row)
        if role is not None:
            self.sample.append({"id": row["id"], "class": label, "role": role, "shot": 0})
        return row

    def refuse(self, path: str, label: str, reason: str) -> None:
        """A file in quarantine."""
        self.quarantine.append({"path": path, "class": label, "split": None, "reason": reason, "detail": "seen"})

    def tables(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """manifest, quarantine, sample"""
        return (
            pa.Table.from_pylist(self.manifest, schema=MANIFEST),
            pa.Table.from_pylist(self.quarantine, schema=QUARANTINE),
            pa.Table.from_pylist(self.sample, schema=SAMPLE),
        )


def two_classes() -> Photos:
    """Two classes with four support photos and two query photos each; nothing is wrong with them."""
    made = Photos()
    for label in ("crack", "pit"):
        for number in range(4):
            made.add(f"train/{label}/{number}.png", label, "support")
        for number in range(2):
            made.add(f"test/{label}/{number}.png", label, "query")
    return made


def check(photos: Photos, *, shots: int = 4, **settings: Any) -> ValidationVerdict:
    """What validation finds in the tables."""
    # Great Expectations imports modules that Python 3.11 deprecates (sre_constants, sre_parse), which is not ours to mend.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations  # noqa: F401
    return validate(*photos.tables(), shots=shots, settings=ValidateSettings(**settings))
