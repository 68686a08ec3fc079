"""The observation as it is recorded on the evidence branch, so that a plan can be shown by who cannot see the metal.

Rules: it holds what hardware and services were seen to be, and no evidence, no session and nothing secret. Ports are
by switch and port, not by node, so that another inventory can be laid over it. It opens no gate: what it says was
true once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from reconciler.model.base import Digest, HexDigest, Name, Pcr, Value
from reconciler.model.observed import PowerState

RecordedPort = Annotated[int, Field(ge=0, le=4095)] | Literal["other", "unknown"]
"""The VLAN of an access port, or what else is known of the port."""


class RecordedAssignment(Value):
    """What the boot service served to a node."""

    enclave: Name
    image: Digest
    pcrs: tuple[Pcr, ...]
    attempt: str
    assigned_at: datetime


class RecordedObservation(Value):
    """What the reconciler saw at ``observed_at``, under the desired state at ``commit``.

    ``fingerprint`` is the plan's, over the same observation. ``power`` and ``assignments`` are by node, ``ports`` by
    switch and port, ``key_versions`` and ``key_made_at`` by key. ``bouts`` say when drift was put right, by subject;
    left out if none was. ``trunks`` say what declared trunks carry, by switch and port.
    """

    version: Literal[1] = 1
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    observed_at: datetime
    listening_since: datetime | None = None
    fingerprint: HexDigest
    power: dict[Name, PowerState]
    ports: dict[Name, dict[Name, RecordedPort]]
    assignments: dict[Name, RecordedAssignment]
    key_versions: dict[Name, int]
    key_made_at: dict[Name, AwareDatetime | None] = Field(default_factory=dict)
    bouts: dict[str, tuple[AwareDatetime, ...]] | None = None
    trunks: dict[Name, dict[str, str]] | None = None
