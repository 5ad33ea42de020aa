"""Builds the objects of each process by hand, opens them in order, runs their loops, and closes them."""
