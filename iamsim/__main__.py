"""`python -m iamsim` is the command `iamsim`."""

from __future__ import annotations

import sys

from iamsim.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
