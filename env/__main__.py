"""``python -m env``."""

import sys

from env.cli.main import main

sys.exit(main())
