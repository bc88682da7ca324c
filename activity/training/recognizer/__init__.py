"""Trains and cross-validates recognisers of activities."""
