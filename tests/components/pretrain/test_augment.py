import torch

from components.pretrain.augment import mix, normalise, random_views


def _pictures(n: int = 6) -> torch.Tensor:
    return torch.randint(0, 256, (n, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_normalise_maps_clips_mean_to_zero() -> None:
    pixels = torch.tensor([123, 117, 104], dtype=torch.uint8).expand(1, 4, 4, 3)
    assert normalise(pixels).abs().max() < 0.01
    assert normalise(pixels).shape == (1, 3, 4, 4)


def test_views_repeat_with_the_seed_and_only_with_it() -> None:
    def views(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return random_views(_pictures(), 48, zoom=(0.5, 1.2), colour=0.3, erasing=0.5, generator=generator)

    assert views(1).shape == (6, 3, 48, 48)
    torch.testing.assert_close(views(1), views(1), rtol=0, atol=0)
    assert not torch.equal(views(1), views(2))
    assert views(1).isfinite().all()


def test_mixed_targets_stay_probabilities_and_pixels_come_from_the_batch() -> None:
    values = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 16, 16)
    targets = torch.eye(4)
    for seed in range(20):
        blended, soft = mix(values, targets, generator=torch.Generator().manual_seed(seed))
        torch.testing.assert_close(soft.sum(dim=1), torch.ones(4))
        # A picture's mean value tells the share of each source; the targets must tell the same.
        expected = soft @ torch.arange(4.0)
        torch.testing.assert_close(blended.mean(dim=(1, 2, 3)), expected, atol=1e-5, rtol=0)
