"""The section `features` of `params.yaml`."""

from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.features.keys import LevelMode

__all__ = ["FeaturesSettings"]


def _template(text: str) -> str:
    try:
        places = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        places = []
    if places != [""]:
        raise ValueError(f"{text!r} must hold {{}} once, where the class name goes, and no other braces")
    return text


@dataclass(frozen=True, config=ConfigDict(strict=True))
class FeaturesSettings:
    """What is encoded and cached.

    Attributes:
        views: augmented views of each support photo beside the clean one.
        mode: the form of the feature levels: `pooled`, `grid` or `full`.
        templates: prompts; `{}` is where the class name goes.
        cache_limit_gb: size of the features cache beyond which the shards read longest ago are removed.
        store: a folder or URL (`s3://bucket/cache`) where machines share what is encoded; None: the workspace's cache.
        runner: what encodes: `local`, `dask` or `ray`; each leaves the same bytes.
        address: of the Dask or Ray cluster; None: one on this machine, for as long as it takes.
        workers: processes of a cluster on this machine.
        shard_views: views in a shard: what a worker encodes at a time, and keeps in memory.
    """

    views: Annotated[int, Field(ge=0, le=1000)] = 0
    mode: LevelMode = "grid"
    templates: Annotated[tuple[Annotated[str, AfterValidator(_template)], ...], Field(min_length=1)] = (
        "a photo of a {}.",
    )
    cache_limit_gb: Annotated[float, Field(gt=0.0)] = 20.0
    store: str | None = None
    runner: Literal["local", "dask", "ray"] = "local"
    address: str | None = None
    workers: Annotated[int, Field(ge=1, le=4096)] = 2
    shard_views: Annotated[int, Field(ge=1, le=1_000_000)] = 128
