"""One function a stage: it reads the workspace, composes the rooms below and writes its outputs.

`run_stage` is what the flow, `--plain` and `dvc repro` (through `shotline stage NAME`) all call.
"""

from components.stages.reporter import Reporter, SilentReporter
from components.stages.run import STAGES, run_stage

__all__ = ["STAGES", "Reporter", "SilentReporter", "run_stage"]
