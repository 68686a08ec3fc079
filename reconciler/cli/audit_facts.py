"""What a report says of the repository beside its records: where it begins, its commits, the tree head's signatures.

Rules: nothing is trusted here for being there; whose signature holds is asked of git and of the notes' keys, by the
signers of the commit before, as when it was followed. What cannot be found out is said so, and stops no report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reconciler.cli.audit_page.cover import CommitFacts, TreeHead, WitnessHead
from reconciler.daemon.source import Sight
from reconciler.errors.taxonomy import RingfenceError
from reconciler.evidence.merkle import roots_at
from reconciler.evidence.note import parse_checkpoint, parse_note, verify_note
from reconciler.repo.git import Git
from reconciler.repo.layout import ALLOWED_SIGNERS
from reconciler.repo.loglines import read_leaf_hashes
from reconciler.repo.places import LATEST_CHECKPOINT
from reconciler.repo.signers import parse_allowed_signers
from reconciler.repo.snapshot import read_commit
from reconciler.repo.witness import note_keys
from reconciler.repo.witnessed import Watched, hear_witnesses

_FIELDS = 4


def version() -> str:
    """Return this program's version."""
    try:
        return metadata.version("ringfence")
    except metadata.PackageNotFoundError:
        return "unknown"


def root_of(git: Git, commit: str) -> str:
    """Return the first commit of the history that leads to ``commit``, by first parents."""
    return git.first_parents(commit, past=None)[0][0]


def read_tree_head(git: Git, tip: str, *, keys: Mapping[str, Ed25519PublicKey]) -> TreeHead | None:
    """Return the newest tree head at the evidence commit ``tip``, and which of ``keys`` signed it; None without one."""
    name = f"{tip}:{LATEST_CHECKPOINT}"
    data = git.objects([name]).get(name)
    if data is None:
        return None
    try:
        note = parse_note(data)
        head = parse_checkpoint(note.body)
    except RingfenceError as error:
        return TreeHead(origin="", size=0, root="", signers=(), problem=error.message)
    ids = {key.public_bytes_raw(): key_id for key_id, key in keys.items()}
    try:
        signed = verify_note(note, note_keys(keys, origin=head.origin))
    except RingfenceError as error:
        return TreeHead(origin=head.origin, size=head.size, root=head.root.hex(), signers=(), problem=error.message)
    signers = tuple(f"{one.key.name} ({ids[one.key.public]})" for one in signed)
    return TreeHead(origin=head.origin, size=head.size, root=head.root.hex(), signers=signers)


def read_witness_heads(
    git: Git, tip: str, *, origin: str, keys: Mapping[str, Ed25519PublicKey], sight: Sight
) -> tuple[WitnessHead, ...]:
    """Return the newest head of this log that each witness of ``sight`` stands by; none if the log cannot be read.

    What contradicts them is a flaw, and the audit's to tell.
    """
    spec = sight.desired.repository.spec.evidence.witnesses
    if not spec.known:
        return ()
    try:
        watched = Watched(origin=origin, tip=tip, leaf_hashes=list(read_leaf_hashes(git, tip)), keys=keys)
        heard = hear_witnesses(git, watched, spec=spec, signers=sight.signers).heads
    except RingfenceError:
        return ()
    _, roots = roots_at(watched.leaf_hashes, {head.size for head in heard})
    heads = [head for head in heard if (head.origin, roots.get(head.size)) == (origin, head.root)]
    newest = {head.witness: WitnessHead(witness=head.witness, size=head.size, at=head.at) for head in heads}
    return tuple(newest[name] for name in sorted(newest))


def read_commit_facts(git: Git, commits: Iterable[str]) -> dict[str, CommitFacts]:
    """Return signer, author, date and title of each of ``commits`` that is there."""
    found: dict[str, CommitFacts] = {}
    for commit in dict.fromkeys(commits):
        try:
            said = git.run("show", "-s", "--no-show-signature", "--format=%ct%x00%P%x00%an <%ae>%x00%s", commit)
            seconds, parents, author, title = said.decode("utf-8", "replace").rstrip("\n").split("\0", _FIELDS - 1)
            made_at = datetime.fromtimestamp(int(seconds), UTC)
            signer = _signer(git, commit, judge=(parents.split() or [commit])[0])
        except (RingfenceError, ValueError):
            continue  # A commit that is not there is one of the audit's flaws.
        found[commit] = CommitFacts(made_at=made_at, signer=signer, author=author, title=title)
    return found


def _signer(git: Git, commit: str, *, judge: str) -> str:
    """Return who of the signers at ``judge`` signed ``commit``, empty if nobody is known to."""
    content = read_commit(git, judge).files.get(ALLOWED_SIGNERS, b"")
    signature = git.verify_commit(commit, allowed=parse_allowed_signers(content, path=ALLOWED_SIGNERS)[0])
    return f"{signature.principal} ({signature.fingerprint})" if signature else ""
