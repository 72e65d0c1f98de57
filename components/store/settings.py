"""The section `feature_store` of `params.yaml`."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

__all__ = ["StoreSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class StoreSettings:
    """What goes through Feast.

    Attributes:
        training: read the embeddings to train on by Feast's point-in-time join; else from the file that is its source,
            which gives the same values bit for bit, some seconds sooner.
        online: after each change of what is live, have its classes written to the online store, in the background.
    """

    training: bool = False
    online: bool = True
