from pathlib import Path

import pytest
import torch
from PIL import Image

from components.errors import UserInputError
from components.features import FeatureCache, LevelMode, View, encode_missing, feature_key
from tests.conftest import FakeBackbone, draw_photo


def views_of(photos: dict[str, Path], number: int = 1) -> list[View]:
    return [View(image_id, view) for image_id in photos for view in range(number)]


def keys_of(views: list[View], backbone: FakeBackbone) -> list[str]:
    return [feature_key(view, backbone.identity.digest, "grid") for view in views]


def test_a_second_run_does_no_forward_pass(tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone) -> None:
    views = views_of(photos, 3)

    first = encode_missing(views, photos, backbone, FeatureCache(tmp_path / "cache"))
    rows = backbone.rows
    second = encode_missing(views, photos, backbone, FeatureCache(tmp_path / "cache"))

    assert (first.encoded, second.encoded) == (60, 0)
    assert rows == 60
    assert backbone.rows == rows


def test_one_new_photo_costs_one_row(tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone) -> None:
    cache = FeatureCache(tmp_path / "cache")
    encode_missing(views_of(photos), photos, backbone, cache)
    before = backbone.rows
    from components.files import sha256_file

    draw_photo(tmp_path / "new.jpg", 99)
    photos[sha256_file(tmp_path / "new.jpg")] = tmp_path / "new.jpg"
    summary = encode_missing(views_of(photos), photos, backbone, cache)

    assert summary.encoded == 1
    assert backbone.rows == before + 1


def test_what_a_photo_gives_does_not_depend_on_its_company(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    together, alone = FeatureCache(tmp_path / "together"), FeatureCache(tmp_path / "alone")
    views = views_of(photos, 2)
    keys = keys_of(views, backbone)
    encode_missing(views, photos, backbone, together)
    for view in reversed(views):
        encode_missing([view], photos, backbone, alone)

    assert torch.equal(together.read(keys).embedding, alone.read(keys).embedding)
    assert all(torch.equal(a, b) for a, b in zip(together.read(keys).levels, alone.read(keys).levels, strict=True))


def test_grid_levels_all_have_the_last_level_s_grid(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    views = views_of(photos)
    encode_missing(views, photos, backbone, cache, mode="grid")

    read = cache.read(keys_of(views, backbone))

    assert [tuple(level.shape) for level in read.levels] == [(20, 3, 2, 2)] * 4
    assert [tuple(level.shape) for level in read.pooled_levels()] == [(20, 3)] * 4


@pytest.mark.parametrize("mode", ["full", "grid", "pooled"])
def test_a_vit_s_class_tokens_are_kept_apart_in_every_mode(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone, mode: LevelMode
) -> None:
    backbone.class_tokens = True
    cache = FeatureCache(tmp_path / "cache")
    views = views_of(photos)
    encode_missing(views, photos, backbone, cache, mode=mode)
    pixels = torch.stack([backbone.preprocess(Image.open(path)) for path in photos.values()])

    read = cache.read([feature_key(view, backbone.identity.digest, mode) for view in views])

    expected = backbone.encode_images(pixels, levels=True).class_tokens
    assert len(read.class_tokens) == 4
    for found, token in zip(read.class_tokens, expected, strict=True):
        torch.testing.assert_close(found.float(), token, atol=1e-3, rtol=1e-3)
    sides = {"full": [16, 8, 4, 2], "grid": [2, 2, 2, 2]}.get(mode)
    assert [level.shape[2:] for level in read.levels] == ([(side, side) for side in sides] if sides else [()] * 4)
    assert torch.equal(read[:5].class_tokens[0], read.class_tokens[0][:5])


def test_a_photo_that_changed_since_it_was_ingested_is_refused(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    image_id, path = next(iter(photos.items()))
    draw_photo(path, 1234)

    with pytest.raises(UserInputError, match="changed since it was ingested"):
        encode_missing([View(image_id)], photos, backbone, FeatureCache(tmp_path / "cache"))


def test_views_are_crops_that_the_id_and_number_fix(photos: dict[str, Path]) -> None:
    from components.features import augment

    image_id, path = next(iter(photos.items()))
    image = Image.open(path).convert("RGB")
    crops = [augment(image, View(image_id, number)) for number in range(20)]

    assert crops[0] is image
    assert augment(image, View(image_id, 3)).tobytes() == crops[3].tobytes()
    assert len({crop.tobytes() for crop in crops}) == 20
    assert all(0.7 < crop.width * crop.height / (image.width * image.height) <= 1 for crop in crops)
