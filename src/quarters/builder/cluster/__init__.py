"""Builders that hand what they claim to a cluster, each build as one job."""
