"""Whole repositories that come and go, as a client of the API: imports of what others made, exports for static servers."""
