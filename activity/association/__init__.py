"""Who holds the weapon."""

from activity.association.holder import HolderFinder

__all__ = ["HolderFinder"]
