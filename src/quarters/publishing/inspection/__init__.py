"""Holds rows, package files, signatures and indexes against each other, and mends what can be mended."""
