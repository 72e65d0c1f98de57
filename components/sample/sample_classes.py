"""The classes as data: a surface, and what happened to it."""

from dataclasses import dataclass
from functools import partial

from components.sample import lines, spots, surfaces, wood
from components.sample.patch import Defect, Surface

__all__ = ["CLASSES", "SampleClass"]


@dataclass(frozen=True)
class SampleClass:
    """One class of the set.

    Attributes:
        name: the folder's name; underscores read as spaces.
        surface: draws the sound material.
        defects: applied to it, one after the other.
    """

    name: str
    surface: Surface
    defects: tuple[Defect, ...] = ()


CLASSES = (
    SampleClass("clean_metal", surfaces.metal_sheet),
    SampleClass("scratched_metal", surfaces.metal_sheet, (lines.scratches,)),
    SampleClass("cracked_metal", surfaces.metal_sheet, (lines.cracks,)),
    SampleClass("pitted_metal", surfaces.metal_sheet, (spots.pits,)),
    SampleClass("dented_metal", surfaces.metal_sheet, (spots.dents,)),
    SampleClass("stained_metal", surfaces.metal_sheet, (spots.stains,)),
    SampleClass("rusty_metal", surfaces.metal_sheet, (spots.rust,)),
    SampleClass("chipped_paint", surfaces.painted_panel, (partial(spots.chips, bodies=spots.UNDER_PAINT),)),
    SampleClass("cracked_paint", surfaces.painted_panel, (lines.crazing,)),
    SampleClass("blistered_paint", surfaces.painted_panel, (spots.blisters,)),
    SampleClass("dripping_paint", surfaces.painted_panel, (lines.paint_runs,)),
    SampleClass("smooth_wood", wood.wood_plank),
    SampleClass("wood_knot", partial(wood.wood_plank, knots=2)),
    SampleClass("split_wood", wood.wood_plank, (lines.split,)),
    SampleClass("wormholes_in_wood", wood.wood_plank, (spots.worm_holes,)),
    SampleClass("torn_fabric", surfaces.woven_fabric, (spots.tear,)),
    SampleClass("loose_thread_on_fabric", surfaces.woven_fabric, (lines.loose_thread,)),
    SampleClass("stained_fabric", surfaces.woven_fabric, (spots.oil_spots,)),
    SampleClass("cracked_tile", surfaces.glazed_tile, (lines.cracks,)),
    SampleClass("chipped_tile", surfaces.glazed_tile, (partial(spots.chips, bodies=spots.BODIES, largest=32),)),
)
