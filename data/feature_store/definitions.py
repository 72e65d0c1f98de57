"""For Feast's own command line (`feast apply`, `feast ui`); run it in this folder."""

from pathlib import Path

from components.store.definitions import definitions

image_view, image_embeddings, version, class_name, workspace, class_embeddings, live_version = definitions(
    Path(__file__).resolve().parent.parent / "features" / "embeddings.parquet"
)
