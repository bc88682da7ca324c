"""Trains the person and weapon detector."""
