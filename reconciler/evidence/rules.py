"""Rules as blobs: what evidence was held against, so that a verdict can be computed again without the repository.

A blob of rules names its policy and its EK certificates by digest, since they are the same for many nodes. Whether the
rules are those of the desired state is for the audit to compare.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from reconciler.attest.expectation import Expectation, Rules
from reconciler.attest.memory import Memory
from reconciler.errors.taxonomy import TrustError
from reconciler.evidence.blobs import Blobs, bare, read_blob
from reconciler.evidence.canonical import canonical, canonical_value, digest, to_json
from reconciler.model.families import Family, Overlay
from reconciler.model.kinds import Measurements
from reconciler.model.policy import AppraisalPolicySpec

_CERTIFICATES = ("ek_roots", "ek_intermediates", "ek_crls")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRules:
    """The digest of rules (``sha256:…``), and their blobs by bare SHA-256."""

    digest: str
    blobs: Mapping[str, bytes]


def pack_rules(rules: Rules) -> PackedRules:
    """Return ``rules`` as blobs."""
    blobs: dict[str, bytes] = {}
    document: dict[str, Any] = {
        "endorsement": rules.endorsement,
        "policy": _add(blobs, canonical_value(rules.policy)),
        "measurements": to_json(rules.measurements),
        "profile": rules.profile,
        "family": rules.family.value,
        "overlays": [overlay.value for overlay in rules.overlays],
    }
    document |= {name: [_add(blobs, data) for data in getattr(rules, name)] for name in _CERTIFICATES}
    return PackedRules(digest=_add(blobs, canonical(document)), blobs=blobs)


def read_rules(blobs: Blobs, name: str) -> Rules:
    """Return the rules that the blob ``name`` holds; TrustError if it or what it names is not whole."""
    return RulesReader(blobs).read(name)


def _read(name: str, *, blob: Callable[[str], bytes], policy: Callable[[str], AppraisalPolicySpec]) -> Rules:
    try:
        document = json.loads(blob(name))
        return Rules(
            endorsement=document["endorsement"],
            policy=policy(document["policy"]),
            measurements=Measurements.model_validate_json(canonical(document["measurements"])),
            profile=document["profile"],
            family=Family(document["family"]),
            overlays=tuple(Overlay(overlay) for overlay in document["overlays"]),
            **{part: tuple(blob(each) for each in document[part]) for part in _CERTIFICATES},
        )
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        message = "recorded rules are not what ringfence writes"
        raise TrustError("rules", message, reason="BlobMalformed", hint="the evidence branch was altered") from None


class RulesReader:
    """Reads rules from blobs; rules, and the policies in them, that recur are read once and are the same objects."""

    def __init__(self, blobs: Blobs, *, kept: int = 4096) -> None:
        """Read ``blobs``; remember at most ``kept`` rules."""
        self._blobs = blobs
        self._rules: Memory[str, Rules] = Memory(kept)
        self._policies: Memory[str, AppraisalPolicySpec] = Memory(64)
        self._raw: Memory[str, bytes] = Memory(256)

    def read(self, name: str) -> Rules:
        """Return the rules that the blob ``name`` holds; TrustError if it or what it names is not whole."""
        return self._rules.get(name, lambda: _read(name, blob=self._blob, policy=self._policy))

    def _policy(self, name: str) -> AppraisalPolicySpec:
        return self._policies.get(name, lambda: AppraisalPolicySpec.model_validate_json(read_blob(self._blobs, name)))

    def _blob(self, name: str) -> bytes:
        return self._raw.get(name, lambda: read_blob(self._blobs, name))


class RulesPacker:
    """Packs the rules of many expectations; rules whose parts are the same objects as before are not packed again."""

    def __init__(self) -> None:
        """Remember nothing."""
        self._known: dict[str, tuple[tuple[object, ...], PackedRules]] = {}

    def pack(self, expectation: Expectation) -> PackedRules:
        """Return the rules of ``expectation`` as blobs."""
        parts = tuple(getattr(expectation, name) for name in Rules.__slots__)
        known = self._known.get(expectation.node)
        if known is None or any(a is not b for a, b in zip(known[0], parts, strict=True)):
            known = self._known[expectation.node] = (parts, pack_rules(expectation.rules()))
        return known[1]


def _add(blobs: dict[str, bytes], data: bytes) -> str:
    name = digest(data)
    blobs[bare(name)] = data
    return name
