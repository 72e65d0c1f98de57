"""The draw depends on the seed, the class and the photo, and on nothing else."""

import hashlib
import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest import draw_sample

Rows = list[tuple[str, str, str | None]]  # id, class, split

LABELS = st.sampled_from(["crack", "pit", "stain", "缺陷", "new class"])
SPLITS = st.sampled_from(["train", "val", "test"])


@st.composite
def photos(draw: st.DrawFn, *, with_splits: bool) -> Rows:
    numbers = draw(st.lists(st.integers(0, 500), unique=True, max_size=40))
    return [
        (hashlib.sha256(str(number).encode()).hexdigest(), draw(LABELS), draw(SPLITS) if with_splits else None)
        for number in numbers
    ]


ROWS = photos(with_splits=True) | photos(with_splits=False)


def drawn(rows: Rows, shots: int, seed: int, validation_shots: int = 4) -> list[dict[str, object]]:
    table = pa.table(
        {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(("id", "class", "split"))}
    )
    found: list[dict[str, object]] = draw_sample(
        table, shots=shots, seed=seed, validation_shots=validation_shots
    ).to_pylist()
    return found


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, st.integers(1, 8), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(rows: Rows, shots: int, seed: int, shuffle: random.Random) -> None:
    shuffled = list(rows)
    shuffle.shuffle(shuffled)
    assert drawn(rows, shots, seed) == drawn(shuffled, shots, seed)


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, st.integers(1, 8), st.integers(0, 3))
def test_a_new_class_reshuffles_no_other(rows: Rows, shots: int, seed: int) -> None:
    without = [row for row in rows if row[1] != "new class"]
    before = drawn(without, shots, seed)
    after = [row for row in drawn(rows, shots, seed) if row["class"] != "new class"]
    assert before == after


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, st.integers(0, 3))
def test_a_new_photo_moves_no_other_of_its_class(rows: Rows, seed: int) -> None:
    if not rows:
        return
    before = [row["id"] for row in drawn(rows[1:], 0, seed, 0)]
    after = [row["id"] for row in drawn(rows, 0, seed, 0) if row["id"] != rows[0][0]]
    assert before == after


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, st.integers(1, 8), st.integers(0, 3))
def test_fewer_shots_are_the_first_of_more(rows: Rows, shots: int, seed: int) -> None:
    few, many = drawn(rows, shots, seed), drawn(rows, shots + 3, seed)
    support = [row for row in many if row["role"] != "support" or int(str(row["shot"])) < shots]
    assert few == support


@settings(deadline=None)  # a busy machine is no failure
@given(ROWS, st.integers(0, 8), st.integers(0, 3))
def test_roles_come_from_splits_and_no_photo_has_two(rows: Rows, shots: int, seed: int) -> None:
    role_of = {None: "support", "train": "support", "val": "validation", "test": "query"}
    found = drawn(rows, shots, seed, validation_shots=2)
    assert len({row["id"] for row in found}) == len(found)
    at_most = {"support": shots or len(rows), "validation": 2, "query": len(rows)}
    for label, role in {(label, role_of[split]) for _, label, split in rows}:
        there = {image_id for image_id, other, split in rows if (other, role_of[split]) == (label, role)}
        got = [row for row in found if (row["class"], row["role"]) == (label, role)]
        assert {row["id"] for row in got} <= there
        assert [row["shot"] for row in got] == list(range(min(at_most[role], len(there))))


def test_another_seed_is_another_draw() -> None:
    rows: Rows = [(hashlib.sha256(bytes([n])).hexdigest(), "crack", None) for n in range(200)]
    draws = [tuple(str(row["id"]) for row in drawn(rows, 16, seed)) for seed in range(3)]
    assert len(set(draws)) == 3


def test_the_draw_is_the_same_on_every_machine_and_day() -> None:
    rows: Rows = [(hashlib.sha256(bytes([n])).hexdigest(), "crack", None) for n in range(20)]
    assert [str(row["id"])[:8] for row in drawn(rows, 4, seed=1)] == ["4d7b3ef7", "e52d9c50", "01ba4719", "9d1e0e2d"]
