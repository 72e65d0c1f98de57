"""A second encoder beside the backbone: images carry both, words the first alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from components.backbone import (
    BackboneIdentity,
    BackboneSettings,
    PairedBackbone,
    joined,
    load_backbone,
    load_with_beside,
    matching_backbone,
    require_same_backbone,
)
from components.errors import UserInputError
from components.features import FeatureCache, PhotoFeatures, View
from tests.conftest import FakeBackbone, draw_photo
from tests.support.checkpoints import RESNET, VIT, make_checkpoint


@dataclass
class Fake(FakeBackbone):
    """Of another identity, with what a pair asks of a backbone."""

    identity: BackboneIdentity = field(
        default_factory=lambda: BackboneIdentity("other", "1" * 64, {"size": 16}, "fp32", "cpu")
    )
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def paired(weight: float = 0.7, **first: Any) -> tuple[PairedBackbone, Fake, Fake]:
    one, other = Fake(identity=FakeBackbone().identity, **first), Fake()
    pair = PairedBackbone(one, other, weight)  # type: ignore[arg-type]
    one.rows = other.rows = one.batches = other.batches = 0
    return pair, one, other


def photo(folder: Path) -> Image.Image:
    draw_photo(folder / "photo.jpg", 3)
    return Image.open(folder / "photo.jpg").convert("RGB")


def test_images_carry_both_and_words_act_on_the_first_alone(tmp_path: Path) -> None:
    pair, one, other = paired(0.5)
    image = photo(tmp_path)

    own = one.encode_images(one.preprocess(image)[None]).embedding
    second = other.encode_images(other.preprocess(image)[None]).embedding
    encoded = pair.encode_images(pair.preprocess(image)[None], levels=True)
    texts = pair.encode_texts(["rust", "paint"])

    assert torch.equal(encoded.embedding, joined(own, second, 0.5))
    torch.testing.assert_close(encoded.embedding.norm(dim=1), torch.ones(1))
    assert len(encoded.levels) == 4
    zero_shot = pair.logit_scale * encoded.embedding @ texts.T
    torch.testing.assert_close(zero_shot, one.logit_scale * own @ one.encode_texts(["rust", "paint"]).T)
    between = encoded.embedding @ joined(own, -second, 0.5).T
    assert between.item() == pytest.approx((1 - 0.25) / 1.25, abs=1e-5)


def test_covariances_stand_side_by_side_where_both_are_known() -> None:
    pair, *_ = paired()
    assert pair.covariance is None

    one = Fake(identity=FakeBackbone().identity, covariance=torch.eye(32))
    both = PairedBackbone(one, Fake(covariance=5 * torch.eye(32)), 0.7).covariance  # type: ignore[arg-type]
    assert both is not None
    torch.testing.assert_close(both.diagonal(), torch.tensor([1.0] * 32 + [0.49] * 32) / 1.49)


def test_adding_one_encodes_nothing_twice(tmp_path: Path, photos: dict[str, Path]) -> None:
    pair, one, other = paired()
    views = [View(image_id) for image_id in photos]

    def features(backbone: Any) -> PhotoFeatures:
        return PhotoFeatures(
            FeatureCache(tmp_path / "cache"),
            mode="grid",
            made_with=backbone.identity,
            backbone=lambda: backbone,
            files=lambda: photos,
        )

    alone = features(one).read(views)
    rows = one.rows
    beside = features(pair)
    both = beside.read(views)

    assert (one.rows, other.rows) == (rows, len(views))
    assert torch.equal(both.embedding[:, :32], alone.embedding / 1.49**0.5)
    assert all(torch.equal(a, b) for a, b in zip(both.levels, alone.levels, strict=True))
    assert beside.cache.missing(beside.all_keys(views)) == []
    assert len(beside.all_keys(views)) == 2 * len(beside.keys(views)) == 2 * len(views)
    again = PairedBackbone(one, other, 0.1)  # type: ignore[arg-type]
    rows = other.rows
    assert not torch.equal(features(again).read(views).embedding, both.embedding)
    assert other.rows == rows


def test_what_was_made_with_a_pair_wants_that_pair(tmp_path: Path) -> None:
    for name, vision in (("first", VIT), ("second", RESNET)):
        make_checkpoint(tmp_path / name, vision)
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / "checkpoints" / name)
    settings = BackboneSettings("first", "cpu", "fp32", "second", 0.3)

    pair = load_with_beside(settings, tmp_path)

    assert isinstance(pair, PairedBackbone)
    made_with = {**vars(pair.identity), "beside": vars(pair.identity.beside)}
    how: dict[str, Any] = {"models": tmp_path, "settings": settings, "what": "it", "on": tmp_path, "remedy": "train"}
    assert matching_backbone("first", made_with, **how).identity == pair.identity
    with pytest.raises(UserInputError, match=r"made with nothing beside the backbone; now it is second \(0.3\)"):
        require_same_backbone(pair, {**made_with, "beside": None}, what="it", on=tmp_path, remedy="")
    made_with["beside"] = {**made_with["beside"], "weights": "0" * 64}
    with pytest.raises(UserInputError, match="beside the backbone, was made with other weights"):
        matching_backbone("first", made_with, **how)
    assert load_with_beside(replace(settings, beside="none"), tmp_path) is load_backbone(
        "first", models=tmp_path, device="cpu", precision="fp32"
    )
    with pytest.raises(UserInputError) as caught:
        load_with_beside(replace(settings, beside="nobody"), tmp_path)
    assert caught.value.on == "params.yaml: backbone.beside"


def test_a_backbone_does_not_stand_beside_itself() -> None:
    with pytest.raises(ValueError, match="beside embedded stands another encoder"):
        BackboneSettings("embedded", beside="embedded")
