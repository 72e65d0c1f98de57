"""Whether the photos that a service is asked about are unlike those that were learnt from, watched over the last ones.

Embeddings of the last photos stay in memory, nothing else of them does. What is on them is compared (`components.evaluate.shift`);
how they look is not, since that needs the learnt photos themselves: `shotline shift FOLDER` looks at both.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from components.errors import ShotlineError, UserInputError
from components.evaluate.shift import Home

if TYPE_CHECKING:
    from components.serving.answers import PhotoClassifier

__all__ = ["ShiftWatch", "Watched", "home_of"]

_log = logging.getLogger(__name__)

_PHOTOS = 64
_EVERY = 16  # photos from one look to the next
_LEAST = 32  # photos with which something can be shown


@dataclass(frozen=True)
class Watched:
    """What the last photos come to.

    Attributes:
        photos: how many they are.
        further: the chance that one of them lies further off than a learnt one, 0 to 1; 0.5 is home.
        alarm: they are unlike the learnt ones.
        version: what they were compared with.
    """

    photos: int
    further: float
    alarm: bool
    version: str


def home_of(classifier: PhotoClassifier) -> Home:
    """The photos that a classifier has learnt from, those of added classes too.

    Raises:
        UserInputError: there is a single one.
    """
    known, support = classifier.bank.known, classifier.bundle.support
    if len(known.labels) < 2:
        raise UserInputError(
            "one photo is nothing to compare with", on="the live classifier", remedy="train on more photos"
        )
    n_support = len(support.labels)
    further = torch.arange(len(known.labels) - n_support) + int(support.groups.max()) + 1
    return Home(known.embeddings, known.labels, torch.cat([support.groups, further]))


class ShiftWatch:
    """The last photos of a classifier against those that it has learnt from; a look takes its time in a thread of its own.

    Args:
        told: called with each look, from that thread.
        changed: called where the alarm begins or ends, such as by who tells others of it.
        n_photos: how many of the last photos count.
        every: a look after so many photos.
    """

    def __init__(
        self,
        told: Callable[[Watched], object],
        changed: Callable[[Watched], object] = lambda watched: None,
        *,
        n_photos: int = _PHOTOS,
        every: int = _EVERY,
    ) -> None:
        self._told, self._changed = told, changed
        self._last: deque[Tensor] = deque(maxlen=n_photos)
        self._every, self._since = every, 0
        self._version, self._alarm = "", False
        self._home: Home | None = None
        self._looking = threading.Lock()

    def see(self, classifier: PhotoClassifier, embeddings: Tensor) -> None:
        """Photos that were just answered, (n, d) unit length; what is counted is not waited for."""
        self._last.extend(embeddings.detach().float().cpu())
        self._since += len(embeddings)
        if self._since < self._every or len(self._last) < _LEAST:
            return
        if self._looking.acquire(blocking=False):  # else a look is under way, and the next photo asks again
            self._since = 0
            photos = torch.stack([*self._last])
            threading.Thread(target=self._look, args=(classifier, photos), daemon=True).start()

    def _look(self, classifier: PhotoClassifier, photos: Tensor) -> None:
        try:
            version = classifier.version
            if self._home is None or version != self._version:
                self._home, self._version = home_of(classifier), version
            shift = self._home.shift(photos)
            watched = Watched(len(photos), shift.further, shift.alarm, version)
            self._told(watched)
            if watched.alarm != self._alarm:
                self._alarm = watched.alarm
                self._changed(watched)
        except ShotlineError as error:  # a single learnt photo, say: there is nothing to compare with
            _log.info("%s", error)
        finally:
            self._looking.release()
