"""Out-of-fold logits come from heads that have not seen the image, in any of its views."""

from pathlib import Path
from typing import ClassVar, Self

import pytest
import torch

from components.classifier import (
    HEADS,
    Candidate,
    fit_candidate,
    fit_candidates,
    fit_head,
    held_out,
    load_candidates,
    save_candidates,
)
from components.errors import UserInputError
from components.features.carriers import Features
from components.heads import Head, HeadState, Support
from tests.support.drawn_rows import drawn_support


class Remembers(Head):
    """A head that scores 1 for the class of an image it was fitted on, else 0."""

    name: ClassVar[str] = "remembers"

    def fit(self, support: Support) -> Self:
        self.rows, self.labels, self.n_classes = support.features.embedding, support.labels, support.n_classes
        return self

    def scores(self, features: Features) -> torch.Tensor:
        same = features.embedding @ self.rows.T > 0.97
        return torch.zeros(len(features), self.n_classes).index_add_(1, self.labels, same.float()).clamp_max(1)

    def state(self) -> HeadState:
        return HeadState(self.name)

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        return cls()


def test_no_head_sees_the_image_it_is_tried_on() -> None:
    support = drawn_support(shots=5, views=4)
    candidate = fit_candidate("remembers", lambda support: Remembers().fit(support), support)
    assert candidate.out_of_fold.shape == (2, 25, 5)
    assert (candidate.head.scores(support.features).max(1).values == 1).all()
    assert (candidate.out_of_fold == 0).all()


def test_near_duplicates_stay_together() -> None:
    support = drawn_support(shots=6)
    twins = Support(
        features=Features(support.features.embedding[(support.images // 2) * 2]),
        labels=support.labels,
        images=support.images,
        groups=support.images // 2,
        views=support.views,
        n_classes=5,
    )
    assert (fit_candidate("remembers", lambda support: Remembers().fit(support), twins).out_of_fold == 0).all()


def test_rows_that_are_never_held_out_are_no_evidence() -> None:
    support = drawn_support(n_classes=3, shots=[1, 6, 6])
    candidate = fit_candidate("nearest_mean", HEADS["nearest_mean"].fit, support)
    rows = held_out(candidate, support)
    assert candidate.out_of_fold[:, 0].isnan().all()
    assert sorted(rows.images.tolist()) == sorted([*range(1, 13)] * 2)
    assert torch.equal(rows.labels, support.labels[rows.images])


def test_foreign_logits_of_another_shape_are_refused() -> None:
    support = drawn_support()
    candidate = Candidate("ldc", fit_head("nearest_mean", support), torch.zeros(2, 7, 5))
    with pytest.raises(ValueError, match="out-of-fold logits"):
        held_out(candidate, support)


def test_saved_and_loaded_scores_the_same_and_bytes_repeat(tmp_path: Path) -> None:
    support = drawn_support(shots=5, levels=True)
    candidates = fit_candidates(support)
    for folder in ("one", "two"):
        save_candidates(candidates, tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    loaded = load_candidates(tmp_path / "one")
    assert [each.name for each in loaded] == [each.name for each in candidates]
    for before, after in zip(candidates, loaded, strict=True):
        assert torch.equal(before.head.scores(support.features), after.head.scores(support.features))
        torch.testing.assert_close(before.out_of_fold, after.out_of_fold, rtol=1e-3, atol=1e-2)


def test_saving_leaves_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    support = drawn_support()
    save_candidates(fit_candidates(support, ["gda", "nearest_mean"]), tmp_path / "heads")
    save_candidates(fit_candidates(support, ["gda"]), tmp_path / "heads")
    assert sorted(path.name for path in (tmp_path / "heads").iterdir()) == ["candidates.json", "gda.safetensors"]


@pytest.mark.parametrize("damage", ["missing folder", "missing head", "cut", "other version"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "heads"
    if damage != "missing folder":
        save_candidates(fit_candidates(drawn_support(), ["gda"]), folder)
    if damage == "missing head":
        (folder / "gda.safetensors").unlink()
    if damage == "cut":
        (folder / "gda.safetensors").write_bytes((folder / "gda.safetensors").read_bytes()[:40])
    if damage == "other version":
        (folder / "candidates.json").write_text('{"version": 99}')
    with pytest.raises(UserInputError):
        load_candidates(folder)
