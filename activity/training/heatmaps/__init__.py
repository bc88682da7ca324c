"""Trains the heat-map network of the top-down pose estimator."""
