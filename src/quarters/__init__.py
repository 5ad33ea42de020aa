"""Quarters turns package recipes into signed binary repositories."""

__version__ = "0.1.0"
