"""The field's protocol: heads measured on many labelled sets, for several numbers of shots and seeds, in one table.

In: a folder of photo sets (CoOp's eleven layouts, or any folder of class folders), a workspace that names the backbone.
Out: `results.jsonl`, a line per task as soon as it is measured; `table.md` and `accuracy.png` of all lines.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.protocol.measuring import Protocol, Task, measure
    from components.protocol.results import Measured, Results
    from components.protocol.running import run_protocol
    from components.protocol.sets import KNOWN, FoundSet, find_sets
    from components.protocol.tables import write_plot, write_tables

__all__ = [
    "KNOWN",
    "FoundSet",
    "Measured",
    "Protocol",
    "Results",
    "Task",
    "find_sets",
    "measure",
    "run_protocol",
    "write_plot",
    "write_tables",
]

on_demand(__name__)
