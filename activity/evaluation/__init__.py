"""Measure what was built: figures with their spread, beside a baseline."""
