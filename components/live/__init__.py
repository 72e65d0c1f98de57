"""The live classifier: immutable versions of bundle and bank, one pointer, and the gate that every change passes.

In: arrivals, removals, renames, rollbacks, new bundles. Out: the version in use, named by one pointer that is replaced
atomically.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.live.bundle_gate import BundleVerdict, judge_bundle
    from components.live.changes import Change, Changes, Stamp
    from components.live.gate import GateVerdict, KnownChange, compare_known, judge
    from components.live.settings import GateSettings
    from components.live.versions import Pointer, Version, Versions, version_name

__all__ = [
    "BundleVerdict",
    "Change",
    "Changes",
    "GateSettings",
    "GateVerdict",
    "KnownChange",
    "Pointer",
    "Stamp",
    "Version",
    "Versions",
    "compare_known",
    "judge",
    "judge_bundle",
    "version_name",
]

on_demand(__name__)
