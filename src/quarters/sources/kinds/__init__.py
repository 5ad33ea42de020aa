"""The kinds of sources, a module each, and the registry that knows them."""
