"""The audit: every record read again, every verdict computed again, by somebody who trusts nobody.

The branch is read in the order of its log, so that memory is for nodes and files, not for records.

1. Files. Each file is a plain one in a place of the layout. ``PlaceUnknown``, ``ModeStray``
2. The log. Its lines name every statement, round and journal entry once, with the hash of its bytes; there is a file
   for each line. ``LogMalformed``, ``LogMissing``, ``LogUnlisted``, ``LogDuplicate``, ``LogDiffers``
3. Tree heads. Each checkpoint is signed by an evidence signer, for one and the same log, and is the root of its first
   lines; the latest covers all; the frontier is theirs; the log leads on from every head that somebody kept.
   ``CheckpointMalformed``, ``CheckpointMoved``, ``CheckpointUntrusted``, ``CheckpointForged``, ``CheckpointMissing``,
   ``CheckpointDiffers``, ``CheckpointBehind``, ``CheckpointAhead``, ``OriginDiffers``, ``FrontierMalformed``,
   ``FrontierDiffers``, ``HeadRewound``, ``HeadForked``
4. Statements. Each is signed by an evidence key of the desired state it was made under, stands where it belongs, is
   canonical, and is about the node's own endorsement; a round holds the records that were signed.
   ``EnvelopeMalformed``, ``EnvelopeUntrusted``, ``StatementMalformed``, ``StatementMoved``, ``SubjectDiffers``,
   ``RoundMalformed``, ``RoundAltered``, ``JournalMalformed``, and what the journal's own audit finds
5. Commits. Each record is made under a commit of the trusted history, with that commit's tree, and none under an older
   one than the record before it in the log. ``CommitStray``, ``CommitUnreadable``, ``TreeDiffers``, ``CommitBackwards``
6. Chains. Each node's records follow one another without a gap, and its head is their sum. ``ChainBroken``,
   ``IllegalPhaseStep``, ``HeadMismatch``, ``HeadMalformed``
7. Times. None goes back: within a chain, along the log, before the commit, before the evidence. ``TimeReversed``,
   ``RecordBackdated``
8. Verdicts. Each, computed again from the raw evidence and the recorded rules, is the recorded one byte for byte; the
   rules are those of the desired state; acceptance and freshness are what verdict and chain say.
   ``BlobMalformed``, ``BlobMissing``, ``RulesDiffer``, ``VerdictDiffers``, ``AcceptanceDiffers``, ``FreshnessDiffers``
9. Actions. What a record tells of was allowed by its commit, after a proof. ``GateSkipped``, ``RecordStray``,
   ``AttemptStray``, ``NodeNotAllowed``, ``ImageDiffers``, ``PolicyDiffers``, ``KeyNotListed``, ``PortsDiffer``,
   ``RejectionStands``, ``EnrolmentDiffers``
10. Blobs. Each has the digest that it is named by and is named by something; none is missing. ``BlobAltered``,
    ``BlobStray``
11. Sums. ``trusted.json`` names a commit of the trusted history, ``observation.json`` can be read.
    ``TrustedMalformed``, ``ObservationMalformed``
12. The history of the branch only ever added (``repo.evidence_history``), and witnesses agree (hooks).

A branch that was rolled back as a whole is seen only by a head that somebody kept: an earlier audit's, or a witness's.
What somebody with the evidence key wrote into ``observation.json`` is not seen either: nothing rests on it.
"""

from __future__ import annotations

from reconciler.evidence.audit.archive import Archive, Branch, HistoryCommit
from reconciler.evidence.audit.beginning import Beginning
from reconciler.evidence.audit.flaws import Figures, Findings, Flaw, Severity
from reconciler.evidence.audit.journal import JournalAudit
from reconciler.evidence.audit.run import Progress, audit, read_records
from reconciler.evidence.audit.verdicts import expectation_of, judged_under

__all__ = [
    "Archive",
    "Beginning",
    "Branch",
    "Figures",
    "Findings",
    "Flaw",
    "HistoryCommit",
    "JournalAudit",
    "Progress",
    "Severity",
    "audit",
    "expectation_of",
    "judged_under",
    "read_records",
]
