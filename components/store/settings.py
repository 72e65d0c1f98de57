"""The section `feature_store` of `params.yaml`."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

__all__ = ["StoreSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class StoreSettings:
    """The use of Feast.

    Attributes:
        training: read the training embeddings by Feast's point-in-time join; if false, from its source file, which
            gives the same values bit for bit, some seconds sooner.
        online: write the live classes to the online store after each change, in the background.
    """

    training: bool = False
    online: bool = True
