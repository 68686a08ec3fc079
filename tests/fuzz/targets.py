"""All fuzz targets by name."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import certificates, eventlogs, ima, images, tpm
from tests.fuzz.harness import Target

TARGETS: Mapping[str, Target] = {
    target.name: target for module in (tpm, eventlogs, ima, certificates, images) for target in module.TARGETS
}
