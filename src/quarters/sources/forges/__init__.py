"""Forges, at which changes that wait are shown as merge requests."""
