"""The trainer: every remainder of a batch, every number of classes, one seed one model, views, mapped features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.backbone import load_backbone
from components.features import FeatureCache, Features
from components.files import sha256_bytes
from components.heads import Support
from components.ldc import LDC, OURS, PUBLISHED, EpochLoss, HeldViews, LiveViews, Recipe, Training, train_ldc
from components.ldc.sources import in_mode
from components.ldc.start import ZeroShotStart
from components.ldc.training import epochs_of, outputs_of
from tests.conftest import draw_photo
from tests.support.checkpoints import RESNET, make_checkpoint
from tests.support.drawn_levels import CHANNELS, drawn

SHORT = replace(OURS, epochs=3, start="zero_shot", learning_rate=1e-2)


def train(support: Support, recipe: Recipe = SHORT, seed: int = 0, log: list[EpochLoss] | None = None) -> LDC:
    images = torch.unique(support.images, return_inverse=True)[1]
    labels = support.clean.labels
    assert support.projector is not None
    return train_ldc(
        HeldViews(support.features, images),
        labels,
        ZeroShotStart.of(support),
        support.projector,
        recipe,
        seed=seed,
        on_epoch=None if log is None else log.append,
    )


def scores(model: LDC, support: Support, recipe: Recipe = SHORT) -> torch.Tensor:
    start = ZeroShotStart.of(support).scores(support.features)
    return outputs_of(model, support.features, None, start, recipe.level_mode).alf


@pytest.mark.parametrize("batch_size", [1, 2, 5, 6, 23, 100])
@pytest.mark.parametrize("mixup", [False, True])
def test_any_remainder_of_a_batch_trains_one_image_included(batch_size: int, mixup: bool) -> None:
    support = drawn(4, 6)  # 24 images: remainders 0, 4, 1
    model = train(support, replace(SHORT, batch_size=batch_size, mixup=mixup))

    assert scores(model, support).isfinite().all()


@pytest.mark.parametrize("shots", [[1, 1], [1, 7, 3], [1] * 12])
def test_two_classes_unequal_shots_and_one_shot(shots: list[int]) -> None:
    support = drawn(len(shots), shots)

    assert scores(train(support), support).shape == (sum(shots), len(shots))


@pytest.mark.parametrize("vit", [False, True])
@pytest.mark.parametrize("mode", ["pooled", "grid", "full"])
@pytest.mark.parametrize("fusion", [1, 2, 3])
def test_it_learns_what_the_levels_show_in_every_mode(mode: str, vit: bool, fusion: int) -> None:
    support = drawn(3, 8, mode=mode, vit=vit)
    recipe = replace(SHORT, epochs=30, batch_size=12, level_mode=mode, fusion=fusion, mixup=False)

    right = scores(train(support, recipe), support, recipe).argmax(1) == support.labels

    assert right.double().mean() > 0.85


def test_the_same_seed_gives_the_same_weights_and_another_gives_others() -> None:
    support = drawn(views=3)
    first, again, other = (train(support, seed=seed).state_dict() for seed in (4, 4, 5))

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["mlp_head.last.weight"], other["mlp_head.last.weight"])


def test_a_training_that_was_stopped_and_looked_at_ends_the_same() -> None:
    support = drawn(views=3)
    assert support.projector is not None
    source = HeldViews(support.features, torch.unique(support.images, return_inverse=True)[1])
    training = Training(source, support.clean.labels, ZeroShotStart.of(support), support.projector, SHORT)
    training.run(2)
    early = training.model().state_dict()
    training.run()
    late, straight = training.model().state_dict(), train(support).state_dict()

    assert [entry.epoch for entry in training.log] == [1, 2, 3]
    assert all(torch.equal(late[name], straight[name]) for name in straight)
    assert not torch.equal(early["mlp_head.last.weight"], late["mlp_head.last.weight"])


def test_the_random_state_of_the_caller_is_left_alone() -> None:
    support = drawn()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    train(support)

    assert torch.equal(torch.rand(1), expected)


def test_each_epoch_tells_its_loss_and_the_loss_falls() -> None:
    log: list[EpochLoss] = []
    train(drawn(), replace(SHORT, epochs=15), log=log)

    assert [(entry.epoch, entry.epochs) for entry in log] == [(number, 15) for number in range(1, 16)]
    assert log[-1].loss < 0.9 * log[0].loss


def test_where_no_number_of_epochs_is_named_few_photos_are_shown_more_often() -> None:
    assert [epochs_of(OURS, n) for n in (1, 24, 128, 129, 400, 1600)] == [40, 40, 40, 20, 20, 15]
    assert epochs_of(replace(OURS, epochs=3), 24) == 3
    assert epochs_of(replace(OURS, most_steps=None), 1600) == 20


def test_the_limit_of_steps_shortens_epochs() -> None:
    log: list[EpochLoss] = []
    train(drawn(4, 6), replace(SHORT, epochs=40, batch_size=8, most_steps=10), log=log)

    assert log[-1].epochs == 3  # of three batches each


def test_ours_starts_at_the_logits_it_deconfuses_and_published_does_not() -> None:
    support = drawn()
    start = ZeroShotStart.of(support).scores(support.features)
    for recipe, equal in ((OURS, True), (PUBLISHED, False)):
        untrained = train(
            support, replace(recipe, epochs=1, learning_rate=1e-30, level_mode="pooled", start="zero_shot")
        )
        found = outputs_of(untrained, support.features, None, start, "pooled").icd
        assert torch.allclose(found, start) is equal


def test_channels_made_even_are_the_same_model_in_the_end() -> None:
    """Dividing a level by a constant and multiplying the weights by it changes nothing that batch norm sees."""
    support = drawn(mode="grid")
    recipe = replace(SHORT, level_mode="grid", epochs=1, learning_rate=1e-30, feature_noise=0.0, mixup=False)
    images = HeldViews(support.features)
    model = train(support, replace(recipe, even_channels=True))
    deviation = [level.std((0, 2, 3), correction=0) for level in support.features.levels]
    for place, adapter in enumerate(model.maf.levels):
        even = train(support, replace(recipe, even_channels=False)).maf.levels[place].linear.weight / deviation[place]
        torch.testing.assert_close(adapter.linear.weight, even)
    assert images.batch(torch.tensor([0]), torch.Generator()).levels[0].shape[0] == 1


def test_an_image_is_seen_in_all_its_views() -> None:
    rows = torch.arange(12.0)[:, None]
    views = HeldViews(Features(rows, (rows,)), torch.arange(4).repeat_interleave(3))
    random = torch.Generator().manual_seed(0)

    seen = {int(views.batch(torch.tensor([2]), random).embedding) for _ in range(60)}

    assert seen == {6, 7, 8}


def test_levels_are_brought_to_the_form_asked_for() -> None:
    full = drawn(mode="full").features

    grid, pooled = in_mode(full, "grid"), in_mode(full, "pooled")

    assert [level.shape[1:] for level in grid.levels] == [(c, 2, 2) for c in CHANNELS]
    for coarse, mean, level in zip(grid.levels, pooled.levels, full.levels, strict=True):
        torch.testing.assert_close(coarse.mean((2, 3)), level.mean((2, 3)))
        torch.testing.assert_close(mean, level.mean((2, 3)))
    assert in_mode(full, "full") is full


def test_mapped_features_train_to_the_same_weights(tmp_path: Path) -> None:
    support = drawn(mode="grid")
    cache = FeatureCache(tmp_path)
    keys = [sha256_bytes(bytes([number])) for number in range(len(support))]
    cache.write(keys, support.features)
    recipe = replace(SHORT, level_mode="grid")

    held, mapped = (
        train(replace(support, features=cache.read(keys, mapped=mapped)), recipe).state_dict()
        for mapped in (False, True)
    )

    assert all(torch.equal(held[name], mapped[name]) for name in held)


def test_the_live_loop_decodes_and_encodes_a_fresh_view_at_every_step(tmp_path: Path) -> None:
    backbone = load_backbone(str(make_checkpoint(tmp_path / "model", RESNET)), models=tmp_path, precision="fp32")
    files = {}
    for number in range(6):
        draw_photo(tmp_path / f"{number}.jpg", number, hue=120 * (number % 2))
        files[sha256_bytes((tmp_path / f"{number}.jpg").read_bytes())] = tmp_path / f"{number}.jpg"
    live = LiveViews(list(files), files, backbone, "grid")
    random = torch.Generator().manual_seed(0)
    first, second = (live.batch(torch.tensor([0, 3]), random) for _ in range(2))
    text = torch.nn.functional.normalize(torch.randn(2, 24), dim=1)
    assert backbone.projector is not None

    model = train_ldc(
        live,
        torch.tensor([0, 1] * 3),
        ZeroShotStart(text),
        backbone.projector,
        replace(SHORT, level_mode="grid", batch_size=4),
    )

    assert [level.shape for level in first.levels] == [(2, c, 2, 2) for c in (32, 64, 128, 256)]
    assert not torch.equal(first.embedding, second.embedding)
    assert model.shape.level_channels == (32, 64, 128, 256)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_it_learns_as_on_the_cpu() -> None:
    support = drawn(3, 8)
    recipe = replace(SHORT, epochs=30, batch_size=12, mixup=False)
    assert support.projector is not None
    model = train_ldc(
        HeldViews(support.features), support.labels, ZeroShotStart.of(support), support.projector, recipe, device="cuda"
    )

    assert (scores(model, support).argmax(1) == support.labels).double().mean() > 0.85
