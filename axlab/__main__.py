"""`python -m axlab`: the command line."""

from __future__ import annotations

import sys

from axlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
