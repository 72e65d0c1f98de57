"""The section `feature_store` of `params.yaml`."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

__all__ = ["StoreSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class StoreSettings:
    """What is kept in Feast.

    Attributes:
        online: after each change of what is live, have its classes written to the online store, in the background.
    """

    online: bool = True
