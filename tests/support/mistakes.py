"""Mistakes in a state repository, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from reconciler.errors.taxonomy import Finding, InputError
from reconciler.repo.desired import load_desired
from reconciler.repo.snapshot import Snapshot

N1 = "site/nodes/n1.yaml"
N2 = "site/nodes/n2.yaml"
TOP = "ringfence.yaml"
ZONE = "site/zones/east.yaml"
NET = "site/networks/blue-net.yaml"
SWITCH = "site/switches/tor.yaml"
POLICY = "policies/measured-boot.yaml"
BLUE = "tenants/blue/enclaves/blue.yaml"
SIGNERS = "trust/allowed_signers"


def snapshot(files: Mapping[str, bytes]) -> Snapshot:
    return Snapshot(commit="0" * 40, tree="0" * 40, files=files, findings=())


def findings(files: Mapping[str, bytes]) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        load_desired(snapshot(files))
    return caught.value.findings


@dataclass(frozen=True)
class Mistake:
    """One change to a valid repository, and the one finding that follows."""

    name: str
    files: Mapping[str, bytes]
    place: str
    code: str
    message: str
    hint: str = ""
