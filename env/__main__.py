"""``python -m env``."""

import sys

from env.cli import main

sys.exit(main())
