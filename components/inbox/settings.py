"""The section `inbox` of `params.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["InboxSettings"]

Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class InboxSettings:
    """How an inbox is watched.

    Attributes:
        settle_s: for how long nothing in a class's folder may have changed before its photos are taken. A network share
            may show changes late: there, use more than its clients cache attributes (NFS: up to 60).
        unfinished_s: how long a file that looks unfinished must not have changed before it is judged: one that is cut
            off, empty or not named like a photo, or that lies where no photo is taken. Until then it is left alone; it
            is taken as soon as it is complete.
        poll_s: pause between two looks.
        most_photos: photos that a class may bring at once.
        filed_gb: gigabytes that `.done` and `.rejected` may each hold. Beyond it the oldest folders of `.done` are
            deleted, since the workspace has their photos; for `.rejected` there is only a message.
        consolidate_after: number of waiting photos at which a consolidation is started where `shotline deploy` serves,
            and again at each multiple of it; 0 starts none.
    """

    settle_s: Seconds = 2.0
    unfinished_s: Seconds = 60.0
    poll_s: Seconds = 0.5
    most_photos: Annotated[int, Field(ge=1)] = 1000
    filed_gb: Annotated[float, Field(ge=0.0)] = 20.0
    consolidate_after: Annotated[int, Field(ge=0)] = 0
