"""The workspace: the folder with the pipeline, its parameters, its data and its models."""

from components.workspace.init import NewWorkspace, init_workspace
from components.workspace.parameters import Parameters, read_section
from components.workspace.shipped import keep_digest
from components.workspace.turn import PASSED_ON, turn
from components.workspace.upgrade import StageChange, check_stage_versions, stage_changes, upgrade_workspace
from components.workspace.workspace import Workspace

__all__ = [
    "PASSED_ON",
    "NewWorkspace",
    "Parameters",
    "StageChange",
    "Workspace",
    "check_stage_versions",
    "init_workspace",
    "keep_digest",
    "read_section",
    "stage_changes",
    "turn",
    "upgrade_workspace",
]
