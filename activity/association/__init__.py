"""Who holds a weapon: the greatest overlap of boxes, corrected by hand distance, with the evidence kept.

The boxes alone fail for a raised arm and for neighbours; `link_holders` is the rule, and `vote_along_track` steadies it.
What the holder's posture adds, an arm that points and `ArmedPosture`, is weak evidence.
"""

from activity.association.holder import HolderModel, distance_to_box, link_holders, person_sizes
from activity.association.people import PeopleAt, people_at
from activity.association.pointing import Pointing, find_pointing
from activity.association.posture import ArmedPosture, posture_features
from activity.association.posture_checkpoint import load_armed_posture, save_armed_posture
from activity.association.vote import vote_along_track

__all__ = [
    "ArmedPosture",
    "HolderModel",
    "PeopleAt",
    "Pointing",
    "distance_to_box",
    "find_pointing",
    "link_holders",
    "load_armed_posture",
    "people_at",
    "person_sizes",
    "posture_features",
    "save_armed_posture",
    "vote_along_track",
]
