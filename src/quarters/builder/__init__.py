"""A machine that claims builds, makes packages in clean roots and hands them to the server."""
