"""The workspace: the folder with the pipeline, its parameters, its data and its models."""

from components.workspace.parameters import Parameters, read_section
from components.workspace.turn import PASSED_ON, turn
from components.workspace.workspace import Workspace

__all__ = ["PASSED_ON", "Parameters", "Workspace", "read_section", "turn"]
