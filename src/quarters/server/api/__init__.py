"""The API, a file per resource."""
