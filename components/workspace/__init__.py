"""The workspace: the folder with the pipeline, its parameters, its data and its models."""

from components.workspace.parameters import Parameters, read_section
from components.workspace.workspace import Workspace

__all__ = ["Parameters", "Workspace", "read_section"]
