"""Property tests give the same verdict every time: examples follow from the test alone, not from chance or the clock.

``HYPOTHESIS_PROFILE=search`` looks for new examples instead, others with each run.
"""

import os

from hypothesis import HealthCheck, settings

# How long an example takes on a busy machine says nothing about the code.
settings.register_profile(
    "assay", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "assay"))
