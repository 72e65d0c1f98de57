"""For Feast's own command line (`feast apply`, `feast ui`); run it in this folder."""

from pathlib import Path

from components.store.definitions import definitions

entity, image_embeddings = definitions(Path(__file__).resolve().parent.parent / "features" / "embeddings.parquet")
