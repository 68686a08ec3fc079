"""A witness's post, put together: the clone, the remote, whom it believes, and its own memory and key.

Rules: the signers are pinned, or those of the desired state in force, which has to lead on from the one that was in
force when this witness last looked; a log's name that is not pinned is the one that the memory knows. A refusal ends
the watch; what passes by itself (a remote that is away) is told and tried again.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from reconciler.cli.error_text import error_lines
from reconciler.errors.taxonomy import InputError, TransientError, TrustError, cut
from reconciler.repo.git import Git
from reconciler.repo.remote import Remote
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers, signer_line
from reconciler.repo.signing import EvidenceKey
from reconciler.repo.witness import Charge, Cosigning, Witness
from reconciler.repo.witness_branch import FETCHED
from reconciler.repo.witness_memory import WitnessMemory, check_origin

_SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says about a witness; ``pinned`` are files with public keys."""

    name: str
    key: Path
    remote: str | None = None
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    token: Path | None = None
    pinned: tuple[Path, ...] = ()
    origin: str | None = None


def check_interval(text: str | None) -> float | None:
    """Return the seconds of an interval such as ``5m``, None for none; InputError if it is no length of time."""
    from pydantic import TypeAdapter, ValidationError

    from reconciler.model.base import Duration

    if text is None:
        return None
    try:
        return float(TypeAdapter(Duration).validate_python(text).total_seconds())
    except ValidationError as error:
        raise InputError("--interval", f"{cut(text)} is no length of time", reason="BadInterval", hint="5m") from error


class Post:
    """One witness at its place; to be closed by ``with``."""

    def __init__(self, repository: Path, *, state: Path, options: Options) -> None:
        """Open the state folder and the key; nothing is fetched or read yet."""
        self._git = Git(repository)
        self._options = options
        self._pinned = _read_pinned(options.pinned)
        self._fetched_tip: str | None = None
        key = EvidenceKey(options.key)
        self._memory = WitnessMemory(state)
        try:
            self._witness = Witness(self._git, name=options.name, key=key, memory=self._memory)
            self._remote = self._open_remote(options.remote) if options.remote else None
        except BaseException:
            self._memory.__exit__()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process use the state folder."""
        self._memory.__exit__()

    def look(self) -> str:
        """Look once, co-sign and push, and return what to tell about it."""
        remote, branch = self._remote, self._witness.branch
        if remote is not None:
            refs = remote.look()
            remote.fetch(refs)
            # What was fetched before stays here when the remote loses its branch; what counts is what it shows now.
            self._fetched_tip = refs.evidence
            theirs = remote.fetch_branch(branch, into=f"{FETCHED}{branch}")
        charge = self._charge()
        found = self._witness.look(charge, at=datetime.now(UTC))
        if found is None:
            return f"{charge.origin}: there is no tree head to sign yet"
        if remote is not None and theirs != found.commit:
            remote.push(found.commit, branch=branch)
        return _told(found, branch=branch)

    def watch(self, wait_s: float, *, say: Callable[[str], None]) -> None:
        """Look every ``wait_s`` seconds until SIGTERM or SIGINT; a refusal ends it at once, by its TrustError."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while True:
            try:
                say(self.look())
            except TransientError as error:
                print("\n".join(error_lines(error)), file=sys.stderr, flush=True)
            if stop.wait(wait_s):
                return

    def _charge(self) -> Charge:
        if self._pinned is not None:
            origin = self._known_origin(None)
            return Charge(origin=origin, tip=self._tip(origin.partition("/")[2]), signers=self._pinned)
        return self._charge_in_force()

    def _charge_in_force(self) -> Charge:
        from reconciler.daemon.source import TrustedSource
        from reconciler.repo.trust import FetchedCommit, judge

        sight = TrustedSource(self._git, tracking=self._remote.tracking if self._remote else None).refresh()
        desired = sight.desired
        spec = desired.repository.spec.evidence
        origin = self._known_origin(f"{desired.repository.metadata.name}/{spec.branch}")
        seen = self._memory.recall(origin)
        if seen is not None and seen.desired is not None and seen.desired != desired.commit:
            found = judge(self._git, head=FetchedCommit(commit=desired.commit), last_trusted=seen.desired)
            if found.refusals:
                raise found.refusals[0]
        signers = sight.signers.only(spec.signers)
        return Charge(origin=origin, tip=self._tip(spec.branch), signers=signers, desired=desired.commit)

    def _known_origin(self, named: str | None) -> str:
        """Return the log to follow: as pinned, as remembered, or as ``named`` by the desired state."""
        known = self._memory.origins()
        if self._options.origin is not None:
            return check_origin(self._options.origin)
        wanted = named or (known[0] if len(known) == 1 else None)
        if wanted is None:
            hint = "say which log these signers sign: --origin NAME/BRANCH"
            raise InputError("origin", "is not known yet", reason="OriginUnknown", hint=hint)
        if known and wanted not in known:
            message = f"the repository calls its log {wanted}; this witness has followed {', '.join(known)}"
            hint = f"if it was renamed on purpose: --origin {wanted}"
            raise TrustError("origin", message, reason="OriginOther", hint=hint)
        return check_origin(wanted)

    def _tip(self, branch: str) -> str | None:
        if self._remote is None:
            return self._git.head(branch) or self._git.at(f"refs/remotes/origin/{branch}")
        if self._remote.evidence != branch:
            hint = "the default is evidence; pin another one with --origin NAME/BRANCH"
            raise InputError(f"branch {branch}", "was not fetched", reason="BranchNotFetched", hint=hint)
        return self._fetched_tip

    def _open_remote(self, name: str) -> Remote:
        from reconciler.cli.remotes import remote_for
        from reconciler.daemon.settings import RemoteSettings

        options = self._options
        branch = self._git.current_branch() or "main"
        known = self._memory.origins()
        origin = options.origin or (known[0] if len(known) == 1 else "")
        evidence = origin.partition("/")[2] or "evidence"
        settings = RemoteSettings(
            name=name,
            branch=branch,
            evidence=evidence,
            ssh_key=options.ssh_key,
            known_hosts=options.known_hosts,
            token=options.token,
        )
        return remote_for(self._git.path, settings=settings)


def _read_pinned(files: tuple[Path, ...]) -> AllowedSigners | None:
    """Return the keys in ``files`` as signers, None without any; InputError for one that is no public key."""
    if not files:
        return None
    lines = []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
            lines.append(signer_line("pinned", public_key=text))
        except (OSError, ValueError) as error:
            raise _unusable(path) from error
    signers, findings = parse_allowed_signers("".join(f"{line}\n" for line in lines).encode(), path="")
    if findings:
        raise _unusable(files[findings[0].line - 1])
    return signers


def _unusable(path: Path) -> InputError:
    hint = "give the .pub file of the evidence key, got from its owner by another way than the repository"
    return InputError(f"signer {path.name}", "is no public SSH key", reason="BadPin", hint=hint)


def _told(found: Cosigning, *, branch: str) -> str:
    seen = found.seen
    what = "co-signed" if found.is_new else "still at"
    place = f"evidence {(seen.commit or '')[:_SHORT]}, {branch} {found.commit[:_SHORT]}"
    return f"{seen.origin}: {what} a tree of {seen.size}, root {seen.root[:_SHORT]} ({place})"
