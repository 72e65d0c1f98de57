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
        settle_s: for how long nothing in a class's folder may have changed before its photos are taken. A network
            share may show changes late: more than its clients keep attributes (NFS: up to 60) is safe there.
        unfinished_s: for how long what looks unfinished must not have changed before it is judged: a file that is cut
            off, empty or not named as photos are, and what lies where no photo is taken. Until then it is left alone,
            and it is taken as soon as it is whole.
        poll_s: pause between two looks.
        most_photos: a class may bring at once.
        filed_gb: gigabytes that `.done` may hold, and that `.rejected` may: of `.done` the oldest go, since the workspace
            has their photos; of `.rejected` it is told.
        consolidate_after: so many photos that wait for a consolidation start one, where `shotline deploy` serves, and as
            many again the next; 0: none does.
    """

    settle_s: Seconds = 2.0
    unfinished_s: Seconds = 60.0
    poll_s: Seconds = 0.5
    most_photos: Annotated[int, Field(ge=1)] = 1000
    filed_gb: Annotated[float, Field(ge=0.0)] = 20.0
    consolidate_after: Annotated[int, Field(ge=0)] = 0
