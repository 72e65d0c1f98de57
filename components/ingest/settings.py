"""What a person can set of `ingest`, checked before any photo is touched."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.ingest.decode import PILLOW_MAX_PIXELS, Limits

__all__ = ["IngestSettings"]


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it must be a date and time such as 2026-01-01T00:00:00+00:00") from None
    if moment.tzinfo is None:
        raise ValueError("it needs an offset from UTC, such as 2026-01-01T00:00:00+00:00")
    return moment.isoformat()


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class IngestSettings:
    """The section `ingest` of params.yaml.

    Attributes:
        shots: support photos per class; 0 takes all of them.
        seed: which photos are drawn; another seed draws others.
        validation_shots: validation photos per class where the data has a validation split; None means
            min(shots, 4), so that few shots stay few; 0 takes all of them.
        listing: which list of photos to use: `auto` takes the only one found in the root (a manifest or a CoOp split
            file) or else the folders; `folders` ignores lists; anything else is the list's file name in the root.
        min_size_px: photos with a shorter side below this are quarantined.
        max_pixels: photos of more pixels are quarantined before they are decoded.
        max_bytes: files of more bytes are quarantined before they are read.
        near_duplicate: correlation of two photos' 16 x 16 grey thumbnails from which they count as near-duplicates.
        since: event time of the photos that were there from the start, ISO 8601 with an offset.
    """

    shots: Annotated[int, Field(ge=0)] = 16
    seed: Annotated[int, Field(ge=0)] = 1
    validation_shots: Annotated[int, Field(ge=0)] | None = None
    listing: Annotated[str, Field(min_length=1)] = "auto"
    min_size_px: Annotated[int, Field(ge=1)] = 32
    max_pixels: Annotated[int, Field(ge=1, le=PILLOW_MAX_PIXELS)] = 64_000_000
    max_bytes: Annotated[int, Field(ge=1)] = 64_000_000
    near_duplicate: Annotated[float, Field(gt=0.5, le=1.0)] = 0.985
    since: Annotated[str, AfterValidator(_moment)] = "2026-01-01T00:00:00+00:00"

    @property
    def limits(self) -> Limits:
        """The limits of one photo."""
        return Limits(min_size_px=self.min_size_px, max_pixels=self.max_pixels, max_bytes=self.max_bytes)

    @property
    def validation_shots_used(self) -> int:
        """Validation photos per class; 0 means all."""
        return min(self.shots, 4) if self.validation_shots is None else self.validation_shots
