"""Retrieval: which of a workspace's photos resemble a query, exactly; every photo is compared, no index stands between.

In: the embeddings that the stage features wrote (clean views), those of added classes' photos from the features cache,
and a query's embedding. Out: photos with their path, class and similarity, most alike first.
"""

from components.retrieval.nearest import nearest
from components.retrieval.photos import Photos, SimilarPhoto

__all__ = ["Photos", "SimilarPhoto", "nearest"]
