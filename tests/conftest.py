"""Settings for every test: how many worlds Hypothesis makes up.

``dev`` is quick; ``ci`` makes hundreds (``pytest --hypothesis-profile=ci``).
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.database import InMemoryExampleDatabase

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)

settings.register_profile(
    "dev", max_examples=15, deadline=None, database=InMemoryExampleDatabase(), suppress_health_check=_SLOW
)
settings.register_profile(
    "ci",
    max_examples=120,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=_SLOW,
)
settings.load_profile("dev")
