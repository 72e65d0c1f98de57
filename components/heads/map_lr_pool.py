"""MAP-LR that has learnt from a pool of unlabelled photos too."""

from __future__ import annotations

from typing import ClassVar, Self

from components.heads.anchored import learn_from_pool
from components.heads.gaussian import fit_two_covariance
from components.heads.map_lr import MapLR, found_voices
from components.heads.pooling import spread
from components.heads.protocol import HeadState
from components.heads.support import Support

__all__ = ["MapLRPool"]


class MapLRPool(MapLR):
    """`MapLR` whose Gaussian comes from `learn_from_pool`; the result is an ordinary inductive classifier.

    The weights of photos and words are found as in `MapLR`, without the pool. Then the photos' weight is set so that
    the scores of the pool spread as widely as without it. With trust 0 it equals `MapLR`, up to rounding.

    Attributes:
        trust_: 0 to 1, the weight that the pool was given.
    """

    name: ClassVar[str] = "map_lr_pool"
    needs_pool: ClassVar[bool] = True
    # After map_lr: 12 points better at one photo from images alone, but 3 worse with words (docs/experiments/pool.md).
    prior_rank: ClassVar[int] = 1

    trust_: float

    def fit(self, support: Support) -> Self:
        """Fit two Gaussians, then solve one convex problem."""
        images = support.image_means
        if images.pool is None:
            raise ValueError("map_lr_pool is fitted on a support set that carries a pool")
        embedding, labels, n_classes = images.features.embedding, images.labels, images.n_classes
        learnt = learn_from_pool(embedding, labels, n_classes, images.pool, images.covariance)
        self.trust_ = learnt.trust
        alone = fit_two_covariance(embedding, labels, n_classes, images.covariance)
        photos, words = found_voices(alone, images)
        if learnt.trust > 0:
            photos *= spread(alone.scores(alone.whiten(images.pool)))
            photos /= spread(learnt.gaussian.scores(learnt.gaussian.whiten(images.pool)))
        return self._corrected(learnt.gaussian, (photos, words), images)

    def state(self) -> HeadState:
        """As `MapLR.state`, with the trust."""
        state = super().state()
        return HeadState(state.name, state.tensors, {**state.settings, "trust": self.trust_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = super().from_state(state)
        head.trust_ = state.settings["trust"]
        return head
