"""Hypothesis profiles: dev (fast), ci (derandomised), deep (many examples, seeds printed).

HYPOTHESIS_PROFILE chooses one; without it CI=true chooses ci. For deep, IAMSIM_DEEP_EXAMPLES is the number of examples and
IAMSIM_SEED the seed, which is drawn and printed if it is not given.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile

from hypothesis import HealthCheck, core, settings

# never the user's own cache; the workers of pytest-xdist and the processes that tests start share it
if "IAMSIM_TESTS" not in os.environ:
    os.environ["IAMSIM_TESTS"] = tempfile.mkdtemp(prefix="iamsim-tests-")
    atexit.register(shutil.rmtree, os.environ["IAMSIM_TESTS"], ignore_errors=True)
os.environ["IAMSIM_CACHE"] = os.environ["XDG_CACHE_HOME"] = os.environ["IAMSIM_TESTS"]
# nor data that the user installed
os.environ["XDG_DATA_HOME"] = os.path.join(os.environ["IAMSIM_TESTS"], "data")  # noqa: PTH118
os.environ.pop("IAMSIM_DATA", None)

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile("dev", max_examples=25, deadline=None, suppress_health_check=SLOW)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
settings.register_profile(
    "deep",
    max_examples=int(os.environ.get("IAMSIM_DEEP_EXAMPLES", "2000")),
    deadline=None,
    print_blob=True,
    suppress_health_check=tuple(HealthCheck),
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "dev")
settings.load_profile(PROFILE)
if PROFILE == "deep":
    # through the environment, so that the workers of pytest-xdist draw the same
    core.global_force_seed = int(os.environ.setdefault("IAMSIM_SEED", str(secrets.randbelow(2**32))))


def pytest_report_header():
    seed = f", seed {os.environ['IAMSIM_SEED']}" if PROFILE == "deep" else ""
    return f"hypothesis profile of iamsim: {PROFILE}, {settings().max_examples} examples{seed}"
