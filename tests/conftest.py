"""Settings for every test: how many worlds Hypothesis makes up.

``dev`` is quick. ``ci`` makes hundreds, the same ones every time, so that a gate that was open yesterday is open
today. ``hunt`` makes thousands of new ones: ``pytest --hypothesis-profile=hunt tests/properties``.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.database import InMemoryExampleDatabase

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

settings.register_profile(
    "dev", max_examples=15, deadline=None, database=InMemoryExampleDatabase(), suppress_health_check=_SLOW
)
settings.register_profile(
    "ci", max_examples=100, deadline=None, database=None, derandomize=True, suppress_health_check=_SLOW
)
settings.register_profile(
    "hunt", max_examples=1500, deadline=None, database=None, print_blob=True, suppress_health_check=_SLOW
)
settings.load_profile("dev")
