"""The service's watch over its last photos: alarm where they are unlike, silence where they are not, told when it changes."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.functional import normalize

from components.serving.drift import ShiftWatch, Watched


def drawn(n: int, centre: int, seed: int) -> torch.Tensor:
    noise = torch.randn(n, 16, generator=torch.Generator().manual_seed(seed))
    return normalize(0.3 * noise + torch.eye(16)[centre], dim=1)


def classifier(version: str = "v1", n_photos: int = 60) -> Any:
    """What a watch asks of a classifier that has learnt two classes."""
    known = SimpleNamespace(
        embeddings=torch.cat([drawn(n_photos // 2, 0, 1), drawn(n_photos - n_photos // 2, 1, 2)]),
        labels=torch.tensor([0] * (n_photos // 2) + [1] * (n_photos - n_photos // 2)),
    )
    support = SimpleNamespace(labels=known.labels, groups=torch.arange(n_photos))
    return SimpleNamespace(version=version, bank=SimpleNamespace(known=known), bundle=SimpleNamespace(support=support))


class Told:
    """Waits for looks, which threads take."""

    def __init__(self, n_photos: int = 64) -> None:
        self.looks: list[Watched] = []
        self.changes: list[bool] = []
        self.one = threading.Event()
        self.watch = ShiftWatch(self._look, lambda each: self.changes.append(each.alarm), n_photos=n_photos, every=32)

    def _look(self, watched: Watched) -> None:
        self.looks.append(watched)
        self.one.set()

    def see(self, photos: torch.Tensor, of: Any) -> Watched:
        self.one.clear()
        self.watch.see(of, photos)
        assert self.one.wait(30)
        with self.watch._looking:  # the thread is done
            return self.looks[-1]


def test_the_alarm_begins_with_photos_of_something_else_and_ends_when_they_have_passed() -> None:
    told, known = Told(), classifier()

    home = told.see(torch.cat([drawn(16, 0, 3), drawn(16, 1, 4)]), known)
    away = told.see(drawn(64, 7, 5), known)
    back = told.see(torch.cat([drawn(32, 0, 6), drawn(32, 1, 7)]), known)

    assert [each.alarm for each in (home, away, back)] == [False, True, False]
    assert away.further > 0.95
    assert 0.3 < back.further < 0.7
    assert (away.photos, away.version) == (64, "v1")
    assert told.changes == [True, False]


def test_photos_are_compared_with_what_is_live_now() -> None:
    told = Told()
    assert told.see(drawn(32, 7, 5), classifier()).alarm

    learnt = classifier("v2")
    learnt.bank.known.embeddings[:30] = drawn(30, 7, 8)

    watched = told.see(drawn(64, 7, 9), learnt)
    assert (watched.version, watched.alarm) == ("v2", False)


def test_few_photos_and_a_classifier_of_one_photo_say_nothing() -> None:
    told = Told()

    told.watch.see(classifier(), drawn(31, 7, 5))
    assert told.watch._looking.acquire(blocking=False)
    told.watch._looking.release()
    told.watch.see(classifier(n_photos=1), drawn(33, 7, 5))
    with told.watch._looking:
        assert told.looks == []
