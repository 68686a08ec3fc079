"""What the shown verdicts rest on, each thing once: measurements, images, policies and TPMs, under short names.

Rules: things that are the same have one name (M1, I1, P1, T1), in the order in which the report first needs them. What
cannot be shown, because it is not whole, says so in its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.cli.audit_page.markup import Content, Html, anchor, code, link
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.canonical import canonical, to_json
from reconciler.evidence.history.basis import Basis
from reconciler.evidence.history.forms import Look
from reconciler.evidence.statement import Record


@dataclass(slots=True, kw_only=True)
class Shelf:
    """Things of one kind by what makes them the same, each with the appraisal that it was first needed for."""

    letter: str
    things: dict[str, tuple[Record, Basis]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def put(self, key: str, record: Record, basis: Basis) -> Html:
        """Return a link to the thing, under its short name."""
        self.things.setdefault(key, (record, basis))
        self._numbers.setdefault(key, len(self._numbers) + 1)
        return link(self.place(key), self.name(key))

    def name(self, key: str) -> str:
        """Return the short name of the thing."""
        return f"{self.letter}{self._numbers[key]}"

    def place(self, key: str) -> str:
        """Return the id of the place where it is shown."""
        return anchor("source", self.name(key).lower())


class Sources:
    """Collects what verdicts rest on while a report is written."""

    def __init__(self, look: Look, *, commits: Iterable[str]) -> None:
        """Look appraisals up with ``look``; ``commits`` have a place of their own in the report."""
        self._look = look
        self._commits = frozenset(commits)
        self._known: dict[tuple[str, int], Basis | RingfenceError] = {}
        self.measurements = Shelf(letter="M")
        self.images = Shelf(letter="I")
        self.policies = Shelf(letter="P")
        self.tpms = Shelf(letter="T")

    def basis(self, record: Record) -> Basis | RingfenceError:
        """Return what the appraisal ``record`` rests on, or why that cannot be shown."""
        key = (record.node, record.sequence)
        if key not in self._known:
            try:
                self._known[key] = self._look(record)
            except RingfenceError as error:
                self._known[key] = error
        return self._known[key]

    def commit(self, commit: str) -> Html:
        """Return the id of a commit, as a link to its place if it has one."""
        return link(anchor("commit", commit), code(commit)) if commit in self._commits else code(commit)

    def links(self, record: Record, basis: Basis) -> tuple[Content, Content, Content, Content]:
        """Return links to measurements, image, policy and TPM of an appraisal."""
        evidence = basis.submitted
        ima = evidence.ima.digest if evidence.ima else ""
        image = canonical(to_json(basis.rules.measurements)).decode()
        name = record.appraisal.image if record.appraisal else ""
        certificate = basis.certificate.certificate.fingerprint if basis.certificate else ""
        return (
            self.measurements.put(f"{evidence.pcrs} {evidence.event_log} {ima}", record, basis),
            self.images.put(f"{name} {image}", record, basis),
            self.policies.put(basis.policy_digest, record, basis),
            self.tpms.put(f"{basis.rules.endorsement} {certificate}", record, basis),
        )
