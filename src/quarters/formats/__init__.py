"""Package formats: what a recipe, a package file, an index and a version mean in each world."""
