"""For Feast's own command line (`feast apply`, `feast plan`); docs/feast.md says how."""

from pathlib import Path

from components.store.definitions import definitions

globals().update({f"feast_{number}": each for number, each in enumerate(definitions(Path(__file__).resolve().parents[2]))})
