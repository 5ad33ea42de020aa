"""Backups of a server that goes on working, and what is made of them: independent of the database's engine."""
