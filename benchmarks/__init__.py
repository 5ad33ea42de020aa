"""Measurements of Quarters against its goals and against the usual tools; `python -m benchmarks` prints them all."""
