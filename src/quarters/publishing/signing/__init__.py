"""Detached OpenPGP signatures: who makes them, and whether they are good."""
