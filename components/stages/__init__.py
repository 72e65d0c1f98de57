"""One function per stage: it reads the workspace, calls the rooms below and writes its outputs.

`run_stage` is what the flow, `--plain` and `dvc repro` (through `shotline stage NAME`) all call.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.stages.reporter import Reporter
    from components.stages.run import STAGES, run_stage
    from components.stages.settings import check_parameters

__all__ = ["STAGES", "Reporter", "check_parameters", "run_stage"]

on_demand(__name__)
