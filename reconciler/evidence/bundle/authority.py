"""Who vouches for what a bundle shows: the keys that its reader gave, and commits that one of these signed.

1. A record's key is vouched for if it was given, for that time; or if the commit that the record names is shown, was
   signed by a key that was given, and names it as an evidence signer.
2. A record whose commit is shown and names other evidence signers was never what it claims to be.
3. Rules whose documents are shown must be exactly what these documents say.

What nobody vouches for is doubt, not a flaw, and never a yes. That a commit was ever in force in its repository is not
shown by a bundle: it is the word of the evidence signer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reconciler.attest.expectation import rules_for
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.evidence.bundle.objects import Commit
from reconciler.evidence.bundle.reading import Shown
from reconciler.evidence.rules import pack_rules
from reconciler.evidence.statement import Record
from reconciler.model.desired import DesiredState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A key that the reader of a bundle trusts, from ``after`` to ``before`` (ends included) if these are given."""

    after: datetime | None = None
    before: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether the key counts at that time."""
        return (self.after is None or self.after <= at) and (self.before is None or at <= self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the shown documents of a commit say: its state as far as it is shown, and its evidence keys by key id."""

    desired: DesiredState
    keys: frozenset[str]


Documents = Callable[[Commit], Told]
"""Reads the shown files of a commit; InputError if they cannot be read, or do not name the evidence signers."""


class Authority:
    """What ``commits`` (by id) and ``pins`` (by fingerprint) vouch for."""

    def __init__(self, commits: Mapping[str, Commit], *, pins: Mapping[str, Pin], documents: Documents) -> None:
        """Read ``commits`` with ``documents``, each once."""
        self._commits = commits
        self._pins = pins
        self._documents = documents
        self._told: dict[str, Told | None] = {}
        self._rules: dict[tuple[str | None, ...], str | None] = {}

    def is_pinned(self, key_id: str, *, at: datetime) -> bool:
        """Return whether the key was given, for that time."""
        return key_id in self._pins and self._pins[key_id].holds(at)

    def is_vouched_commit(self, name: str) -> bool:
        """Return whether the commit is shown and signed by a key that was given."""
        commit = self._commits.get(name)
        signer = commit.signer if commit else None
        return commit is not None and signer is not None and self.is_pinned(signer, at=commit.committed_at)

    def check(self, shown: Shown) -> bool:
        """Return whether somebody vouches for the key of a record; TrustError if the record's commit denies it."""
        record = shown.record
        commit = self._commits.get(record.commit)
        if commit is not None and commit.tree != record.tree:
            raise TrustError(shown.path, "its commit has another tree than it says", reason="RecordStray")
        told = self._tell(record.commit)
        if told is not None and shown.key_id not in told.keys:  # 2
            message = f"{shown.key_id} is no evidence signer of commit {record.commit[:12]}"
            raise TrustError(shown.path, message, reason="EnvelopeUntrusted")
        is_named = told is not None and self.is_vouched_commit(record.commit)
        return is_named or self.is_pinned(shown.key_id, at=record.recorded_at)  # 1

    def vouches_for(self, key_id: str, *, at: datetime) -> bool:
        """Return whether the key was given, for that time, or is an evidence key of any commit that is vouched for."""
        named = (self._tell(name) for name in self._commits if self.is_vouched_commit(name))
        return self.is_pinned(key_id, at=at) or any(told is not None and key_id in told.keys for told in named)

    def shows_rules(self, record: Record) -> bool:
        """Return whether the rules of an appraisal are shown to be its commit's; TrustError if they are not."""
        appraisal = record.appraisal
        if appraisal is None:
            return False
        asked = (record.commit, record.node, appraisal.policy, appraisal.image, appraisal.image_commit)
        if asked not in self._rules:
            self._rules[asked] = self._rules_of(*asked)
        found = self._rules[asked]
        if found is not None and found != appraisal.rules:  # 3
            message = "it was held against other rules than its commit holds"
            raise TrustError(f"node {record.node}", message, reason="RulesDiffer")
        return found is not None

    def _rules_of(self, commit: str, node: str, policy: str, image: str, image_commit: str | None) -> str | None:
        told, dated = self._tell(commit), self._tell(image_commit or commit)
        if told is None or dated is None:
            return None
        desired = told.desired
        if node not in desired.nodes or policy not in desired.policies or image not in dated.desired.images:
            return None
        measurements = dated.desired.images[image].spec.measurements
        return pack_rules(rules_for(desired, node=node, policy=policy, measurements=measurements)).digest

    def _tell(self, name: str) -> Told | None:
        if name not in self._told:
            commit = self._commits.get(name)
            try:
                self._told[name] = self._documents(commit) if commit is not None and commit.files else None
            except InputError:
                self._told[name] = None
        return self._told[name]
