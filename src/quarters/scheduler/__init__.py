"""Decides what is built next and by whom: requests, leases, and the loops that watch over both."""
