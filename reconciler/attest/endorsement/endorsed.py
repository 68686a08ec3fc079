"""What an endorsement was trusted by: values for the record, made by ``ek`` and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmClaims:
    """What the maker says of the TPM; None for what it does not say. ``vendor`` is the identifier as letters.

    ``specification`` is family, level and revision. ``remarks`` say what is missing or malformed.
    """

    manufacturer: str | None
    vendor: str | None
    model: str | None
    version: str | None
    specification: str | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """A revocation list that was relied upon: whose it is, the SHA-256 of its DER, and its dates."""

    issuer: str
    fingerprint: str
    number: int | None
    this_update: datetime
    next_update: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsement:
    """What an accepted endorsement relied upon, for the record.

    ``path`` are the SHA-256 fingerprints from the EK's certificate to the anchor. ``not_before`` and ``not_after``
    bound the time in which all of them are valid. ``lists`` are the revocation lists that were consulted; if it is
    empty, nothing is known about revocation. ``judged_at`` is the time against which all of this was judged.
    """

    certificate: str
    pin: str
    path: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    tpm: TpmClaims
    lists: tuple[Consulted, ...]
    judged_at: datetime
