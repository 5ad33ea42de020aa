"""The files of repositories: looked up in rows, remembered for a moment, answered without copying them around."""
