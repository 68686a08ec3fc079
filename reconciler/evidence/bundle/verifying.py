"""The verification of a bundle, by somebody who has nothing but the file, some keys, and no trust in anybody.

1. The file is whole, and of the one form that it can have (``container``, ``manifest``).
2. Git objects, keys and records are what they are named and signed as (``objects``, ``reading``).
3. All records stand in the signed tree (``head``).
4. They are the subject's, without a gap, in order, and no gate was skipped (``chain``).
5. Every verdict, computed again, is the recorded one (``verdicts``).
6. Who vouches for the signers, and which rules are shown to be the repository's (``authority``).
7. Nothing else lies in the file.

What is wrong is a flaw; what nobody vouches for is a doubt. Only without both is anything proven.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.errors.taxonomy import RingfenceError, TrustError
from reconciler.evidence.bundle.authority import Authority, Documents, Pin
from reconciler.evidence.bundle.chain import Run, check_order, check_subject, follow, split
from reconciler.evidence.bundle.head import TreeHead, check_places, read_head
from reconciler.evidence.bundle.manifest import Parts, open_bundle
from reconciler.evidence.bundle.objects import Commit, read_commits
from reconciler.evidence.bundle.pieces import blob_part
from reconciler.evidence.bundle.reading import Reading, Shown, read_keys, read_records
from reconciler.evidence.bundle.verdicts import Judge
from reconciler.evidence.raw import read_enrolment
from reconciler.evidence.statement import Record
from reconciler.model.record import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the reader of a bundle brings: keys by fingerprint, witnesses by name, and how documents are read.

    ``told`` is called now and then with how many verdicts were computed.
    """

    pins: Mapping[str, Pin] = field(default_factory=dict)
    witnesses: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)
    documents: Documents
    told: Callable[[int], None] = lambda _count: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something in a bundle that cannot be: ``path`` is where, as far as that is known."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerShown:
    """An evidence key, and how many of the records that it signed are vouched for and how many are not."""

    key_id: str
    vouched: int
    unvouched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a bundle shows. ``rules_shown`` counts appraisals whose rules are shown to be their commit's.

    ``commits`` are those that records name, None where the commit itself is not shown; ``vouched_commits`` are signed
    by keys that were given.
    """

    subject: str
    head: TreeHead
    is_head_vouched: bool
    records: tuple[Record, ...]
    runs: tuple[Run, ...]
    accepted: int
    rejected: int
    rules_shown: int
    signers: tuple[SignerShown, ...]
    commits: Mapping[str, Commit | None]
    vouched_commits: frozenset[str]
    flaws: tuple[Flaw, ...]
    doubts: tuple[str, ...]

    @property
    def is_proven(self) -> bool:
        """Return whether nothing is wrong and nothing in doubt."""
        return not (self.flaws or self.doubts)


def verify(data: bytes, *, asked: Asked) -> Verified:
    """Return what the bundle in ``data`` shows, and everything that is wrong or in doubt about it.

    TrustError if it is not whole, or a signature or a proof in it does not hold: then it shows nothing.
    """
    manifest, parts = open_bundle(data)  # 1
    commits, keys = read_commits(parts), read_keys(parts)  # 2
    reading = read_records(parts, keys=keys)
    head = read_head(parts, keys=keys, witnesses=asked.witnesses)  # 3
    places = check_places(parts, head=head, envelopes=reading.envelopes)
    chains = split(reading.shown)
    check_subject(chains, subject=manifest.subject)  # 4
    authority = Authority(commits, pins=asked.pins, documents=asked.documents)
    work = _Work(parts=parts, authority=authority, told=asked.told)
    runs = [found for chain in chains if (found := work.follow(chain, places=places)) is not None]
    work.check_leftovers(reading, keys=keys, commits=commits, head=head)  # 7
    newest = max(each.record.recorded_at for each in reading.shown)
    is_head_vouched = any(authority.vouches_for(key_id, at=newest) for key_id in head.signers)
    signers = work.signers()
    return Verified(
        subject=manifest.subject,
        head=head,
        is_head_vouched=is_head_vouched,
        records=tuple(each.record for chain in chains for each in chain),
        runs=tuple(runs),
        accepted=work.counts["accepted"],
        rejected=work.counts["rejected"],
        rules_shown=work.counts["rules"],
        signers=signers,
        commits={name: commits.get(name) for name in sorted({each.record.commit for each in reading.shown})},
        vouched_commits=frozenset(name for name in commits if authority.is_vouched_commit(name)),
        flaws=tuple(work.flaws),
        doubts=tuple(_doubts(signers, head=head, is_head_vouched=is_head_vouched, asked=asked, places=places)),
    )


@dataclass(slots=True, kw_only=True)
class _Work:
    """The records of a bundle being gone through."""

    parts: Parts
    authority: Authority
    told: Callable[[int], None]
    judge: Judge = field(init=False)
    flaws: list[Flaw] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    vouched: Counter[str] = field(default_factory=Counter)
    unvouched: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.judge = Judge(self.blob)

    def blob(self, digest: str) -> bytes | None:
        return self.parts.read(blob_part(digest))

    def follow(self, chain: Sequence[Shown], *, places: Mapping[str, int]) -> Run | None:
        """Return what a chain of records comes to, None if it does not hold."""
        for each in chain:
            self._check_signer(each)
        try:
            check_order(chain, places=places)
            return follow(chain, judge=self._judge)
        except RingfenceError as error:
            self.flaws.append(Flaw(path=error.subject, code=error.reason, message=error.message))
            return None

    def _check_signer(self, shown: Shown) -> None:
        try:
            counts = self.vouched if self.authority.check(shown) else self.unvouched
            if shown.record.enrolment is not None:
                read_enrolment(self.blob, shown.record.enrolment)
        except TrustError as error:
            self.flaws.append(Flaw(path=shown.path, code=error.reason, message=error.message))
            counts = self.unvouched
        counts[shown.key_id] += 1

    def _judge(self, shown: Shown, before: Head, is_clock_known: bool) -> None:  # noqa: FBT001  # as ``follow`` calls it
        self.judge.check(shown, before=before, is_clock_known=is_clock_known)  # 5
        self.counts["rules"] += self.authority.shows_rules(shown.record)  # 6
        self.counts[shown.record.verdict or "rejected"] += 1
        self.told(self.counts["accepted"] + self.counts["rejected"])

    def signers(self) -> tuple[SignerShown, ...]:
        names = sorted(self.vouched.keys() | self.unvouched.keys())
        return tuple(SignerShown(key_id=n, vouched=self.vouched[n], unvouched=self.unvouched[n]) for n in names)

    def check_leftovers(
        self, reading: Reading, *, keys: Mapping[str, object], commits: Mapping[str, Commit], head: TreeHead
    ) -> None:
        """Add a flaw for everything in the file that no record leads to."""
        if self.flaws:
            return  # What was not gone through to its end leaves parts unread.
        named = {name for each in reading.shown for name in commits_of(each.record)}
        strays = [*self.parts.unread(), *(f"commit {name}" for name in sorted(commits.keys() - named))]
        strays += [
            f"key {key_id}"
            for key_id in sorted(keys.keys() - {each.key_id for each in reading.shown} - {*head.signers})
        ]
        self.flaws += [
            Flaw(path=name, code="PartStray", message="nothing in the bundle leads to it") for name in strays
        ]


def commits_of(record: Record) -> set[str]:
    """Return the commits of the desired state that ``record`` names."""
    appraisal = record.appraisal
    more = {appraisal.evidence.commit, appraisal.image_commit} if appraisal else set()
    return {record.commit, *(name for name in more if name is not None)}


def _doubts(
    signers: Sequence[SignerShown], *, head: TreeHead, is_head_vouched: bool, asked: Asked, places: Mapping[str, int]
) -> list[str]:
    doubts = [
        f"nobody vouches for signer {each.key_id} ({each.unvouched} of {each.vouched + each.unvouched} records)"
        for each in signers
        if each.unvouched
    ]
    if not is_head_vouched:
        doubts.append(f"nobody vouches for {', '.join(head.signers)}, who signed the tree head")
    last = max(places.values())
    for name in sorted(asked.witnesses):
        seen = max(
            (each.size for each in head.cosignatures if (each.witness, each.at is None) == (name, False)), default=0
        )
        if seen <= last:
            what = f"only the first {seen} entries of the log" if seen else "nothing in it"
            doubts.append(f"witness {name} co-signed {what}; the last one here is number {last + 1}")
    return doubts
