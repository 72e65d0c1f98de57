"""`keys.parquet`: which views of which photos have features, in which role, under which key of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.artefacts.tables import read_table, write_table
from components.features import View

__all__ = ["FeatureKeys"]

_SCHEMA = pa.schema([("image_id", pa.string()), ("view", pa.int32()), ("role", pa.string()), ("key", pa.string())])


@dataclass(frozen=True)
class FeatureKeys:
    """Rows in the order in which every stage reads them.

    Attributes:
        views: of each row.
        roles: of each row: support, validation, query or pool.
        keys: of each row, in the features cache.
    """

    views: list[View]
    roles: list[str]
    keys: list[str]

    @classmethod
    def read(cls, folder: Path, roles: Sequence[str]) -> FeatureKeys:
        """The rows with one of `roles`, from the folder of the stage features.

        Raises:
            UserInputError: it has not run.
        """
        table = read_table(folder / "keys.parquet")
        table = table.filter(pc.is_in(table["role"], value_set=pa.array(list(roles), pa.string())))
        image_ids, numbers = table["image_id"].to_pylist(), table["view"].to_pylist()
        views = [View(image_id, number) for image_id, number in zip(image_ids, numbers, strict=True)]
        return cls(views, table["role"].to_pylist(), table["key"].to_pylist())

    @staticmethod
    def image_ids(folder: Path, role: str) -> pa.Array:
        """Ids of the photos with that role; raises as `read`."""
        table = read_table(folder / "keys.parquet")
        return table.filter(pc.equal(table["role"], role))["image_id"].combine_chunks()

    def write(self, folder: Path) -> None:
        """Into that folder."""
        image_ids, numbers = [view.image_id for view in self.views], [view.number for view in self.views]
        columns = [image_ids, pa.array(numbers, pa.int32()), self.roles, self.keys]
        write_table(folder / "keys.parquet", pa.table(columns, schema=_SCHEMA), _SCHEMA)
