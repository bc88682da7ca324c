"""From one person's track to the segments that a recogniser reads: gaps, normalisation, part grids, windows."""

from activity.tubelets.grids import to_part_grids
from activity.tubelets.segments import make_tubelets, make_tubelets_together, whole_track, whole_tracks
from activity.tubelets.settings import TubeletSettings

__all__ = [
    "TubeletSettings",
    "make_tubelets",
    "make_tubelets_together",
    "to_part_grids",
    "whole_track",
    "whole_tracks",
]
