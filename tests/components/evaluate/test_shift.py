"""Photos that are unlike what was learnt raise an alarm, photos from home rarely do."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch.nn.functional import normalize

from components.evaluate.appearance import Appearance, appearance_of, changes
from components.evaluate.shift import LEVEL, Home
from tests.support.drawn_rows import drawn_task


def home(shots: int = 12) -> Home:
    rows, labels, _ = drawn_task(6, shots, 32, noise=1.0, word_noise=1.0, seed=0)
    return Home(rows, labels)


def drawn(draw: int, n: int = 6) -> torch.Tensor:
    return drawn_task(6, n, 32, noise=1.0, word_noise=1.0, seed=0, draw=draw)[0]


def test_photos_from_home_rarely_raise_an_alarm() -> None:
    here = home()
    found = [here.shift(drawn(draw)) for draw in range(1, 101)]
    assert sum(each.alarm for each in found) <= 1
    assert np.mean([each.p < 0.05 for each in found]) < 0.15
    assert 0.3 < np.mean([each.further for each in found]) < 0.6


def test_photos_of_one_class_alone_are_no_alarm() -> None:
    here = home()
    rows, labels, _ = drawn_task(6, 30, 32, noise=1.0, word_noise=1.0, seed=0, draw=3)
    assert not any(here.shift(rows[labels == label]).alarm for label in range(6))


def test_photos_of_other_things_do() -> None:
    others = normalize(torch.randn(16, 32, generator=torch.Generator().manual_seed(5)), dim=1)
    found = home().shift(others)
    assert found.alarm
    assert found.p < LEVEL
    assert found.further > 0.8
    mixed = home().shift(torch.cat([drawn(1), others[:2]]))
    assert set(mixed.distances.argsort(descending=True)[:2].tolist()) == {36, 37}
    assert sum(count for count, _ in mixed.by_class().values()) == 38


def test_near_duplicates_do_not_make_home_look_closer_than_it_is() -> None:
    rows, labels, _ = drawn_task(6, 6, 32, noise=1.0, word_noise=1.0, seed=0)
    twice, labels2 = torch.cat([rows, rows]), torch.cat([labels, labels])
    groups = torch.arange(len(rows)).repeat(2)
    assert not Home(twice, labels2, groups).shift(drawn(1)).alarm
    assert Home(twice, labels2).shift(drawn(1)).alarm  # what would be without groups


def test_nothing_is_no_alarm_and_one_photo_is_no_home() -> None:
    nothing = home().shift(torch.empty(0, 32))
    assert (nothing.p, nothing.alarm, nothing.by_class()) == (1.0, False, {})
    with pytest.raises(ValueError, match="two photos"):
        Home(torch.ones(1, 4), torch.zeros(1, dtype=torch.int64))


def test_what_has_changed_is_named() -> None:
    photos = []
    for number in range(24):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (48, 64, 3)) * 0.6 + random.integers(0, 100, 3)
        photos.append(Image.fromarray(pixels.astype(np.uint8)))
    before = [appearance_of(photo) for photo in photos[:12]]

    def told(change: Callable[[Image.Image], Image.Image]) -> list[str]:
        return [each.told for each in changes(before, [appearance_of(change(photo)) for photo in photos[12:]])]

    assert told(lambda photo: photo) == []
    assert "darker" in told(lambda photo: photo.point(lambda value: value // 3))
    assert "greyer" in told(lambda photo: photo.convert("L").convert("RGB"))
    assert "larger" in told(lambda photo: photo.resize((320, 240)))
    assert "more blurred" in told(lambda photo: photo.filter(ImageFilter.GaussianBlur(3)))
    assert "more compressed" in told(lambda photo: jpeg(photo.resize((320, 240)), 10))


def test_a_folder_of_one_bright_class_is_no_change_of_the_light() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 96)
    light = [0.2 + 0.3 * (number % 3) + noise[number] for number in range(96)]
    looks = [Appearance(each, 0.2, 0.5, 0.1, 1.0, 200.0) for each in light]
    home, new = looks[:48], looks[50::3]

    assert [each.figure for each in changes(home, new)] == ["light"]
    assert changes(home, new, ([number % 3 for number in range(48)], [2] * len(new))) == []


def jpeg(photo: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_a_class_of_which_no_learnt_photo_was_looked_at_raises_no_alarm() -> None:
    def sized(size: float, number: int) -> Appearance:
        return Appearance(0.5, 0.2, 0.3, 0.1, 1.0, size + number % 7)

    learnt = [sized(100, number) for number in range(60)]
    new = [sized(100, number) for number in range(16)] + [sized(900, number) for number in range(60)]

    assert [change.figure for change in changes(learnt, new)] == ["size"]
    assert changes(learnt, new, ([0] * 60, [0] * 16 + [1] * 60)) == []
