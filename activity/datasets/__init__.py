"""Where training and test data come from: data sets on disk, and people that we render ourselves."""
