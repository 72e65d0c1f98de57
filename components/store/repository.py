"""Opens Feast's repository in the workspace, with its definitions applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.store.feast_import import import_feast

__all__ = ["feature_store"]


def feature_store(repository: Path) -> Any:
    """Feast's `FeatureStore` over the folder `repository` of a workspace; importing Feast takes some seconds.

    The definitions are applied if the registry has other ones: of an earlier release, or of a workspace that was moved.
    """
    import_feast()
    from feast import FeatureStore
    from feast.errors import FeatureViewNotFoundException
    from feast.repo_config import load_repo_config

    from components.store.definitions import definitions

    repository = repository.resolve()
    config = load_repo_config(repository, repository / "feature_store.yaml")
    # The registry lies beside the file, so that the workspace can be moved. Feast's own commands get its path by a
    # variable; SQLAlchemy would take a relative path as relative to the current folder.
    if config.registry.path in ("sqlite:///registry.db", "sqlite:///$SHOTLINE_FEAST/registry.db"):
        config.registry.path = f"sqlite:///{repository / 'registry.db'}"
    store = FeatureStore(config=config)
    wanted: list[Any] = definitions(repository.parents[1])
    (tagged,) = (each for each in wanted if each.name == "image_embeddings")
    try:
        applied = store.get_feature_view(tagged.name).tags == tagged.tags
    except FeatureViewNotFoundException:
        applied = False
    if not applied:
        store.apply(wanted)
    return store
