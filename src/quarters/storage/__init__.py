"""Durable state: the database, its queries noun by noun, package files, logs; and the wake-ups that make it quick."""
