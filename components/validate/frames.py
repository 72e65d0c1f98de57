"""The tables of `ingest` laid out for checking: one frame of photos, files, drawn photos and classes each.

Facts that a row-wise expectation cannot see (another row of the same group, another table) become columns here.
"""

from collections import Counter, defaultdict

import pandas as pd
import pyarrow as pa

__all__ = ["DECODE_ERRORS", "classes_frame", "files_frame", "photos_frame", "sample_frame"]

# Codes of the quarantine for files that should be photos but could not be read.
DECODE_ERRORS = frozenset(
    {"bad_name", "missing", "outside_root", "oversized", "truncated", "unreadable", "unsupported", "zero_byte"}
)


def photos_frame(manifest: pa.Table, sample: pa.Table) -> pd.DataFrame:
    """One row per accepted photo, with its role and its near-duplicates elsewhere.

    Columns besides the manifest's: `role` (support, validation, query or empty), `shorter_side_px`, `aspect_ratio`
    (longer by shorter side), `class_is_learnt`, `twin_in_support` (path of a near-duplicate among the support photos
    where this one only measures, or None), `twin_in_class` (another class that holds a near-duplicate, or None).
    """
    photos = manifest.drop_columns(["thumbnail"]).to_pandas()
    role = dict(zip(sample["id"].to_pylist(), sample["role"].to_pylist(), strict=True))
    learnt = {
        label
        for label, its_role in zip(sample["class"].to_pylist(), sample["role"].to_pylist(), strict=True)
        if its_role == "support"
    }
    photos["role"] = [role.get(image_id, "") for image_id in photos["id"]]
    photos["class_is_learnt"] = photos["class"].isin(learnt)
    sides = photos[["width", "height"]]
    photos["shorter_side_px"] = sides.min(axis=1)
    photos["aspect_ratio"] = (sides.max(axis=1) / sides.min(axis=1)).round(2)
    support_of: dict[str, str] = {}
    classes_of: dict[str, set[str]] = defaultdict(set)
    shared = photos[photos["group"].duplicated(keep=False)]  # most groups are one photo
    for path, label, group, its_role in zip(
        shared["path"], shared["class"], shared["group"], shared["role"], strict=True
    ):
        classes_of[group].add(label)
        if its_role == "support":
            support_of[group] = min(path, support_of.get(group, path))
    measuring = photos["role"].isin(["validation", "query"])
    photos["twin_in_support"] = pd.Series(
        [
            support_of.get(group) if measures else None
            for group, measures in zip(photos["group"], measuring, strict=True)
        ],
        dtype=object,
    )
    photos["twin_in_class"] = pd.Series(
        [
            ", ".join(sorted(classes_of[group] - {label})) or None if group in classes_of else None
            for group, label in zip(photos["group"], photos["class"], strict=True)
        ],
        dtype=object,
    )
    return photos


def files_frame(manifest: pa.Table, quarantine: pa.Table) -> pd.DataFrame:
    """One row per file: path, class, `reason` (None where accepted), `decode_error` (the reason, where it is one)."""
    accepted = manifest.select(["path", "class"]).append_column("reason", pa.nulls(manifest.num_rows, pa.string()))
    refused = quarantine.select(["path", "class", "reason"])
    files = pa.concat_tables([accepted, refused]).to_pandas().astype(object)
    files["decode_error"] = files["reason"].where(files["reason"].isin(DECODE_ERRORS), None)
    return files


def sample_frame(sample: pa.Table, manifest: pa.Table) -> pd.DataFrame:
    """One row per drawn photo: id, class, role, shot, path (the id where there is none), `in_manifest`."""
    drawn = sample.to_pandas()
    path = dict(zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True))
    drawn["in_manifest"] = drawn["id"].isin(path)
    drawn["path"] = [path.get(image_id, image_id) for image_id in drawn["id"]]
    return drawn


def classes_frame(names: dict[str, str], sample: pa.Table) -> pd.DataFrame:
    """One row per class: its name, its photos by role, and `balance`, its support by the largest class's.

    Args:
        names: class -> words, the classes to look at.
        sample: the drawn photos.
    """
    counts = Counter(zip(sample["class"].to_pylist(), sample["role"].to_pylist(), strict=True))
    rows = [
        {"class": label, "name": name} | {role: counts[label, role] for role in ("support", "validation", "query")}
        for label, name in sorted(names.items())
    ]
    classes = pd.DataFrame(rows, columns=["class", "name", "support", "validation", "query"])
    classes["balance"] = (classes["support"] / max(int(classes["support"].max()), 1)).round(4)
    return classes
