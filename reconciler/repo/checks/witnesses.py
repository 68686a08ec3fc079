"""Witnesses that are none: the writer of the evidence itself, or the same one twice.

Rules: whoever signs evidence cannot vouch that it was not rolled back; two witnesses have two names and two signers.
That their signers are known is checked with the references, how many are required by the kind itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.errors.taxonomy import Finding
from reconciler.model.kinds import Repository
from reconciler.repo.catalogue import Catalogue


def check_witnesses(found: Catalogue) -> Iterator[Finding]:
    """Yield a finding for every witness that could not be one."""
    for repository in found.all(Repository).values():
        evidence = repository.document.spec.evidence
        names: set[str] = set()
        signers: set[str] = set()
        for i, witness in enumerate(evidence.witnesses.known):
            here = ("spec", "evidence", "witnesses", "known", i)
            if witness.signer in evidence.signers:
                message = f"{witness.signer} signs the evidence, and cannot be a witness of it"
                hint = "give the witness a key of its own, held by somebody else"
                yield repository.find(*here, "signer", code="WitnessIsWriter", message=message, hint=hint)
            for field, value, known in (("name", witness.name, names), ("signer", witness.signer, signers)):
                if value in known:
                    message = f"two witnesses have the {field} {value}"
                    hint = "every witness has a name and a key of its own"
                    yield repository.find(*here, field, code="WitnessTwice", message=message, hint=hint)
                known.add(value)
