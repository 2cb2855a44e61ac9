"""``python -m images``."""

import sys

from images.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
