"""Programs that measure; none is imported by iamsim."""

import os

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # children run from compiled modules, as an installed program does
