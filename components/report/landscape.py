"""A map of embeddings: the plane on which the classes lie furthest apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.report.sources import Sources

__all__ = ["landscape"]

_MOST = 1500  # photos of each kind; more cannot be told apart on a page
_NAMES = 40  # classes whose names fit


def landscape(
    sources: Sources,
) -> tuple[dict[str, NDArray[np.float64]], list[tuple[str, float, float]]] | None:
    """Points (m, 2) of each kind of photo, and the classes' names with their places; None with under three classes.

    The plane is the first two principal components of the class means, in units of the scatter within classes.
    """
    training = sources.training
    classes = sources.classes
    if len(classes) < 3 or training.embeddings.shape[1] < 2:
        return None
    number = {name: place for place, name in enumerate(classes)}
    labels = np.array([number.get(name, -1) for name in training.classes])
    if any(not (labels == place).any() for place in range(len(classes))):
        return None
    rows = training.embeddings.astype(np.float64)
    means = np.stack([rows[labels == place].mean(0) for place in range(len(classes))])
    within = rows - means[labels]
    d = rows.shape[1]
    covariance = within.T @ within / len(rows)
    covariance += np.eye(d) * (np.trace(covariance) / d + 1e-9)
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(values)
    centre = means.mean(0)
    _, _, directions = np.linalg.svd((means - centre) @ whiten, full_matrices=False)
    plane = whiten @ directions[:2].T
    added = labels >= len(sources.bundle["class_names"])
    right = {photo.path: photo.right for photo in sources.answers}
    is_right = np.array([right.get(path, True) for path in sources.measured.paths], dtype=bool)
    measured = sources.measured.embeddings
    kinds = {
        "without a label": sources.pool,
        "learnt from": rows[~added],
        "added classes": rows[added],
        "measured, right": measured[_some(np.flatnonzero(is_right))] if len(measured) else measured,
        "measured, wrong": measured[_some(np.flatnonzero(~is_right))] if len(measured) else measured,
    }
    points: dict[str, NDArray[np.float64]] = {
        name: (_some(each).astype(np.float64) - centre) @ plane if len(each) else np.empty((0, 2))
        for name, each in kinds.items()
    }
    places = (means - centre) @ plane
    names = [(sources.words[name], float(places[row, 0]), float(places[row, 1])) for row, name in enumerate(classes)]
    return points, names if len(names) <= _NAMES else []


def _some(rows: NDArray[Any]) -> NDArray[Any]:
    """At most so many of them, evenly."""
    return rows if len(rows) <= _MOST else rows[np.linspace(0, len(rows) - 1, _MOST).astype(int)]
