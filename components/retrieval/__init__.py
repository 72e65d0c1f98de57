"""Retrieval: the workspace's photos that resemble a query; exact, every photo is compared, without an index.

In: the embeddings that the stage features wrote (clean views), those of added classes' photos from the features cache,
and a query's embedding. Out: photos with their path, class and similarity, most similar first.
"""

from components.retrieval.nearest import nearest
from components.retrieval.photos import Photos, SimilarPhoto

__all__ = ["Photos", "SimilarPhoto", "nearest"]
