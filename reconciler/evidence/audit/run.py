"""One audit from beginning to end: what is on the branch, in the order of the log, and what is left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.errors.taxonomy import InputError, RingfenceError, TrustError
from reconciler.evidence.audit.archive import Archive, Branch
from reconciler.evidence.audit.beginning import Beginning, read_carried
from reconciler.evidence.audit.blobs import BlobKeeper
from reconciler.evidence.audit.chains import Chains
from reconciler.evidence.audit.commits import Commits, keys_of
from reconciler.evidence.audit.flaws import Figures, Findings, Flaw
from reconciler.evidence.audit.heads import TreeHeads
from reconciler.evidence.audit.journal import JournalAudit
from reconciler.evidence.audit.layout import JOURNAL_HEAD, LOGGED, Kind, Listing, kind_of, list_files
from reconciler.evidence.audit.log import Line, Tree, count_lines, read_log
from reconciler.evidence.audit.opening import Opened, open_line, open_round_file, open_statement
from reconciler.evidence.audit.permitted import find_unallowed
from reconciler.evidence.audit.sums import check_node_heads, check_sums
from reconciler.evidence.audit.verdicts import Verdicts, judged_under
from reconciler.evidence.merkle import leaf_hash
from reconciler.evidence.note import Checkpoint
from reconciler.evidence.raw import read_enrolment
from reconciler.evidence.round import records_path
from reconciler.evidence.statement import Appraisal, Record, Subject
from reconciler.model.desired import DesiredState
from reconciler.model.phase import Phase
from reconciler.model.record import Event

Progress = Callable[[int, int, Figures], None]
"""Told how many lines of the log were read, how many there are, and what was checked so far."""


def audit(  # noqa: PLR0913 - what an audit reads, and who is told
    branch: Branch,
    *,
    archive: Archive,
    trusted: str,
    heads: Iterable[Checkpoint] = (),
    take: Callable[[Record], None] | None = None,
    progress: Progress | None = None,
    beginning: Beginning | None = None,
) -> Findings:
    """Return everything found on ``branch``; ``trusted`` is the desired state in force.

    ``heads`` are tree heads that somebody kept from before; ``take`` is given each record whose signature and place
    hold, in the order of the log. ``beginning`` is what the branch began with, if it goes on from a closed year.
    """
    begun = beginning or Beginning()
    return _Audit(branch, archive=archive, heads=heads, take=take, beginning=begun).run(trusted, progress)


def read_records(branch: Branch, *, archive: Archive) -> Iterator[Record]:
    """Yield the records of ``branch`` whose signature and place hold, in the order of the log; no more is asked."""
    found = Findings()
    listing = list_files(list(branch.files()), found=found)
    for line in read_log(branch, listing=listing, tree=Tree(), found=found):
        content = branch.read(line.path)
        try:
            if content is None or not listing.take(kind := kind_of(line.path) or Kind.SUM, line.path):
                continue
            if kind is Kind.STATEMENT:
                yield open_statement(line.path, content, archive=archive)[1].record
            elif kind is Kind.ROUND:
                records = branch.read(records_path(line.path)) or b""
                opened = open_round_file(line.path, content, records, archive=archive)
                yield from [open_line(each, signed=opened.signed).record for each in opened.lines]
        except RingfenceError:
            continue  # The audit tells of it.


class _Audit:
    """The parts of one audit, and what they have in common."""

    def __init__(
        self,
        branch: Branch,
        *,
        archive: Archive,
        heads: Iterable[Checkpoint],
        take: Callable[[Record], None] | None,
        beginning: Beginning,
    ) -> None:
        self._found = found = Findings()
        self._branch = branch
        self._archive = archive
        self._journal = JournalAudit(archive, head=beginning.journal)
        self._take_record = take
        self._listing: Listing = list_files(list(branch.files()), found=found)
        self._tree = Tree()
        self._heads = TreeHeads(branch, listing=self._listing, kept=heads, found=found)
        self._blobs = BlobKeeper(branch, listing=self._listing, found=found)
        self._commits = Commits(archive, found=found)
        self._chains = Chains(found=found, begin=beginning.heads)
        read_carried(beginning, blobs=self._blobs, found=found)
        self._verdicts = Verdicts(archive, blobs=self._blobs, found=found)

    def run(self, trusted: str, progress: Progress | None) -> Findings:
        """Read everything, and return what was found."""
        found, listing = self._found, self._listing
        self._commits.keys.update(keys_of(self._archive, trusted))
        self._heads.ask(self._tree)
        total = count_lines(self._branch, listing=listing)
        for line in read_log(self._branch, listing=listing, tree=self._tree, found=found):
            self._line(line)
            found.checked.lines += 1
            if progress is not None:
                progress(line.number + 1, total, found.checked)
        found.size, found.root = self._tree.frontier.size, self._tree.frontier.root()
        self._heads.check(self._tree, keys=self._commits.keys)
        self._heads.check_frontier(self._tree)
        found.heads, found.keys = self._chains.heads(), self._commits.keys
        check_node_heads(self._branch, listing=listing, found=found)
        check_sums(self._branch, archive=self._archive, listing=listing, found=found)
        head = self._branch.read(JOURNAL_HEAD) if listing.take(Kind.SUM, JOURNAL_HEAD) else None
        self._note(self._journal.finish(head))
        self._blobs.finish()
        self._left_over()
        found.sort()
        return found

    def _line(self, line: Line) -> None:
        """Look at what a line of the log names."""
        found, kind = self._found, kind_of(line.path)
        if kind is None or kind not in LOGGED:
            found.add(line.part, "LogMalformed", f"line {line.number} names {line.path}, where no statement stands")
            return
        content = self._branch.read(line.path)
        if content is None:
            found.add(line.path, "LogMissing", f"line {line.number} of the log names it, and there is no such file")
            return
        if not self._listing.take(kind, line.path):
            found.add(line.path, "LogDuplicate", f"line {line.number} of the log names it once more")
            return
        if leaf_hash(content) != line.leaf:
            found.add(line.path, "LogDiffers", f"line {line.number} of the log has the hash of other bytes")
        try:
            match kind:
                case Kind.STATEMENT:
                    self._statement(line.path, content)
                case Kind.ROUND:
                    self._round(line.path, content)
                case _:
                    self._entry(line.path, content)
        except InputError as error:
            found.add(line.path, "CommitUnreadable", f"its desired state cannot be read: {error}")
        except RingfenceError as error:
            found.refuse(line.path, error)

    def _statement(self, path: str, envelope: bytes) -> None:
        self._found.checked.statements += 1
        statement, opened = open_statement(path, envelope, archive=self._archive)
        record = opened.record
        self._commits.check(path, commit=record.commit, tree=record.tree, at=record.recorded_at)
        self._chains.note_time(path, record.recorded_at)
        desired = self._archive.desired(record.commit)
        node = desired.nodes.get(record.node)
        due = node.spec.tpm.endorsement.removeprefix("sha256:") if node else ""
        if statement.subject[0] != Subject(name=f"node/{record.node}", digest={"sha256": due}):
            self._found.add(path, "SubjectDiffers", f"its subject is not node {record.node} by its endorsement")
        if record.event is Event.APPRAISED and (record.appraisal is None or record.appraisal.verdict is None):
            self._found.add(path, "StatementMalformed", f"node {record.node}: an appraisal without its verdict")
        self._record(path, opened, desired)

    def _round(self, path: str, envelope: bytes) -> None:
        self._found.checked.rounds += 1
        records = self._branch.read(records_path(path))
        self._listing.take(Kind.RECORDS, records_path(path))
        opened = open_round_file(path, envelope, records or b"", archive=self._archive)
        signed = opened.signed
        self._commits.check(path, commit=signed.commit, tree=signed.tree, at=signed.recorded_at)
        self._chains.note_time(path, signed.recorded_at)
        desired = self._archive.desired(signed.commit)
        for line in opened.lines:
            self._found.checked.leaves += 1
            try:
                leaf = open_line(line, signed=signed)
            except TrustError as error:
                self._found.refuse(path, error)
                continue
            head = self._chains.head(leaf.record.node)
            if head is None or head.phase is not Phase.ENCLAVE:
                message = f"node {leaf.record.node} in it is no member: that takes a statement of its own"
                self._found.add(path, "RoundMalformed", message)
            self._record(path, leaf, desired)

    def _entry(self, path: str, envelope: bytes) -> None:
        self._found.checked.entries += 1
        self._note(self._journal.take(path, envelope))

    def _record(self, path: str, opened: Opened, desired: DesiredState) -> None:
        """Look at a record whose signature holds, and add it to its chain."""
        record, head = opened.record, self._chains.head(opened.record.node)
        for code, message in find_unallowed(record, head=head, desired=desired, image=self._image(record)):
            self._found.add(path, code, f"node {record.node}, record {record.sequence}: {message}")
        if record.appraisal is not None and record.event is Event.APPRAISED:
            self._verdicts.check(path, record, record.appraisal, head=head)
        if record.enrolment is not None:
            self._enrolment(path, record, record.enrolment)
        self._chains.take(path, record, digest=opened.digest)
        if self._take_record is not None:
            self._take_record(record)

    def _image(self, record: Record) -> Callable[[Appraisal], str | None]:
        def image(appraisal: Appraisal) -> str | None:
            try:
                images = judged_under(record, appraisal, desired=self._archive.desired).images
            except RingfenceError:
                return None  # The verdict cannot be computed either, and says why.
            return images[appraisal.image].spec.digest if appraisal.image in images else None

        return image

    def _enrolment(self, path: str, record: Record, name: str) -> None:
        """Look at the enrolment that a record names."""
        self._blobs.name(name)
        try:
            enrolment = read_enrolment(self._blobs, name)
        except TrustError as error:
            self._found.refuse(path, error)
            return
        own = (record.node, record.enclave, record.attempt)
        if own != tuple(enrolment[part] for part in ("node", "enclave", "attempt")):
            message = f"node {record.node}, record {record.sequence}: the enrolment is of another node or attempt"
            self._found.add(path, "EnrolmentDiffers", message)

    def _left_over(self) -> None:
        """Note the files that no line of the log led to."""
        for path in _sorted(self._listing, LOGGED):
            self._found.add(path, "LogUnlisted", "no line of the log names it")
        for path in _sorted(self._listing, (Kind.RECORDS,)):
            self._found.add(path, "LogUnlisted", "they are the records of no round on the log")

    def _note(self, flaws: Iterable[Flaw]) -> None:
        for flaw in flaws:
            self._found.add(flaw.path, flaw.code, flaw.message)


def _sorted(listing: Listing, kinds: Iterable[Kind]) -> Iterator[str]:
    return iter(sorted(path for kind in kinds for path in listing.left[kind]))
