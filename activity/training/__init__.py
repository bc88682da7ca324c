"""Make the checkpoints: one trainer for each network, each with its configuration beside it."""
