"""Closed forms: the name alone, the image mean, a GDA row, and the name with a shrunk discriminant.

Their offsets are zero or implied by the form; `components.liteembed.evidence` sets the final ones.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn.functional import normalize

from components.heads.gaussian import class_means, within_class_covariance
from components.heads.pooling import provable_weights
from components.liteembed.carriers import Columns, KnownClasses, NewClasses

__all__ = ["GdaRow", "ImageMean", "Name", "NameAndDiscriminant"]


class Name:
    """The name's text embedding at the known names' own scale, shifted to the known logits' level."""

    name: ClassVar[str] = "name"
    needs_text: ClassVar[bool] = True

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit; it needs no photo."""
        assert new.text_embeddings is not None
        return Columns(known.voices.name * new.text_embeddings, torch.full((new.n_classes,), known.level))


class ImageMean:
    """The mean of the photos, unit length, instead of a text embedding."""

    name: ClassVar[str] = "image_mean"
    needs_text: ClassVar[bool] = False

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit with the scale of a name, or of cosines if there are no names."""
        means = normalize(class_means(new.embeddings, new.labels, new.n_classes), dim=1)
        return Columns(known.voices.name * means, torch.zeros(new.n_classes))


class GdaRow:
    """The new class's row of GDA (Wang et al., ICLR 2024) over known and new photos, beside its name.

    The weights of the row and the name are learnt on the known classes' rows and names.
    """

    name: ClassVar[str] = "gda_row"
    needs_text: ClassVar[bool] = False

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit in closed form, with one shrunk covariance of all photos."""
        rows = torch.cat([known.embeddings, new.embeddings]).double()
        labels = torch.cat([known.labels, new.labels + known.n_classes])
        (n, d), n_classes = rows.shape, known.n_classes + new.n_classes
        S, freedom = within_class_covariance(rows, labels, n_classes)
        S = S * (max(freedom, 1) / max(n - 1, 1))
        means = class_means(rows, labels, n_classes)
        ridge = S.trace().clamp_min(1e-9) * torch.eye(d, dtype=torch.float64)
        weights = d * torch.linalg.solve((n - 1) * S + ridge, means.T).T
        offsets = -0.5 * (weights * means).sum(1)
        weights, offsets = weights.float(), offsets.float()
        on_known = known.embeddings @ weights[: known.n_classes].T + offsets[: known.n_classes]
        weights, offsets = weights[known.n_classes :] / known.logit_scale, offsets[known.n_classes :]
        if known.text_embeddings is None or new.text_embeddings is None:
            (photos,) = provable_weights([on_known], known.labels, [1.0], len(known.labels))
            return Columns(photos * weights, photos * offsets)
        words = known.logit_scale * known.embeddings @ known.text_embeddings.T
        photos, name = provable_weights([on_known, words], known.labels, [0.1, 1.0], len(known.labels))
        return Columns(photos * weights + name * new.text_embeddings, photos * offsets)


class NameAndDiscriminant:
    """The name beside a linear discriminant: shrunk class mean times inverse within-class covariance.

    The weights of both are learnt on the known classes. Without a name it is the discriminant alone.
    """

    name: ClassVar[str] = "name_and_lda"
    needs_text: ClassVar[bool] = False

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Closed form."""
        means = class_means(new.embeddings, new.labels, new.n_classes)
        weights, offsets = known.gaussian.rows(means, new.shots)
        beside, name = known.voices.beside
        photos = torch.where(new.named, beside, known.voices.photos).double()
        vectors = (photos[:, None] / known.logit_scale * weights).float()
        if new.text_embeddings is not None:
            vectors = vectors + name * new.text_embeddings
        return Columns(vectors, (photos * offsets).float())
