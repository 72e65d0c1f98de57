"""Feast's repository in the workspace, opened with all that it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.store.feast_import import import_feast

__all__ = ["feature_store"]


def feature_store(repository: Path, embeddings: Path) -> Any:
    """Feast's `FeatureStore` over the folder `repository`, with the definitions applied; takes some seconds."""
    import_feast()
    from feast import FeatureStore
    from feast.repo_config import load_repo_config

    from components.store.definitions import definitions

    config = load_repo_config(repository, repository / "feature_store.yaml")
    # Paths in the file are relative to it, so that the workspace can be moved; SQLAlchemy would take them as relative
    # to the current folder.
    if config.registry.path == "sqlite:///registry.db":
        config.registry.path = f"sqlite:///{repository / 'registry.db'}"
    store = FeatureStore(config=config)
    store.apply(definitions(embeddings))
    return store
