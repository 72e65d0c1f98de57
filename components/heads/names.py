"""What the heads of this room are called; known without loading what they compute with."""

__all__ = ["HEAD_NAMES", "ZERO_SHOT"]

ZERO_SHOT = "zero_shot"

HEAD_NAMES = (
    ZERO_SHOT,
    "nearest_mean",
    "linear_probe",
    "linear_probe_levels",
    "tip_adapter",
    "tip_adapter_f",
    "gda",
    "map_lr",
)
"""In the order of `HEADS`."""
