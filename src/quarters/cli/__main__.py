"""`python -m quarters.cli` is `quarters`."""

import sys

from quarters.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
