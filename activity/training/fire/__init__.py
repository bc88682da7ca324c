"""The training of the fire classifier."""
