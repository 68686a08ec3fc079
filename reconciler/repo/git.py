"""Git, called as a program: the only module that starts it.

Rules: every call has a deadline and an environment of its own, without the caller's ``GIT_*`` variables, without
user or system configuration, hooks or replacement objects; no repository above the given folder is ever found; ids
and ref names are checked before they are arguments. Signatures are git's own to verify, but what git says is read
strictly: it also calls a valid signature by a stranger's key good.
What a signature allows is not decided here (``repo.trust``).
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors.taxonomy import InputError, InvariantError, RingfenceError, TransientError, TrustError, cut
from reconciler.repo.signers import AllowedSigners

NO_COMMIT = "0" * 40
_OBJECT_ID = re.compile(r"[0-9a-f]{40}")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(/[A-Za-z0-9][A-Za-z0-9._-]{0,62}){0,3}")
_GOOD = re.compile(r'Good "git" signature for (?P<principal>\S+) with \S+ key (?P<fingerprint>SHA256:\S+)')
_LACKING = re.compile(
    r"(?i)could not read|unable to read|failed to traverse|bad (?:object|tree|revision)|not a valid (?:commit|object)|"
    r"could not parse|unable to parse|missing (?:blob|tree|commit)|"
    r"empty filename in tree|malformed mode in tree|too-short tree|loose object \S+ \(stored in|packed object \S+ \(|"
    r"object file \S+ is empty|not a tree object|unable to stream|corrupt loose object"
)
_UNWRITTEN = re.compile(
    r"No space left on device|Disk quota exceeded|Out of diskspace|couldn't write '|unable to write|write error"
)

_SETTINGS = {
    "advice.graftFileDeprecated": "false",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.quotePath": "false",
    "core.fsync": "committed,derived-metadata,reference",
    "core.fsyncMethod": "batch",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "gpg.program": "false",
    "gpg.x509.program": "false",
    "gpg.ssh.program": "ssh-keygen",
    "gpg.ssh.defaultKeyCommand": "",
}
Starter = Callable[..., "subprocess.CompletedProcess[bytes]"]
"""What runs a program: ``subprocess.run``, or something with the same arguments."""

_KEPT = ("PATH", "SSH_AUTH_SOCK", "TMPDIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEntry:
    """One file of a commit; ``mode`` as git writes it (``100644``)."""

    path: bytes
    mode: str
    object_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path that differs between two commits; ``mode`` is the new one, ``000000`` if it was deleted."""

    path: bytes
    mode: str
    object_id: str = ""

    @property
    def has_content(self) -> bool:
        """Return whether there is a file at the path now: neither nothing nor a submodule."""
        return self.mode not in {"000000", "160000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """One ref by its full name, and the object that it names, with its type (``commit``, ``tag``)."""

    name: str
    object_id: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryChange:
    """What one commit did to one path; ``status`` is git's letter (A, M, D, T)."""

    commit: str
    path: bytes
    mode: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A verified signature: whose, and by which key."""

    principal: str
    fingerprint: str


def check_id(text: str) -> str:
    """Return ``text`` if it is a full object id (40 lower-case hexadecimal digits)."""
    if not _OBJECT_ID.fullmatch(text):
        raise InvariantError("git", f"{cut(text)} is no object id", reason="BadObjectId")
    return text


def branch_ref(name: str) -> str:
    """Return the full name of the branch ``name``."""
    if not _BRANCH.fullmatch(name) or ".." in name or name.endswith((".lock", ".")):
        hint = "use letters, digits, dots and dashes"
        raise InputError(f"branch {cut(name)}", "is no name for a branch", reason="BadBranch", hint=hint)
    return f"refs/heads/{name}"


class Git:
    """One repository, bare or not."""

    def __init__(
        self,
        path: Path,
        *,
        deadline_s: float = 30.0,
        environment: Mapping[str, str] | None = None,
        start: Starter = subprocess.run,
    ) -> None:
        """Use the repository at ``path``, its top folder; nothing is read yet.

        ``environment`` is added to git's own, ``start`` runs it (``repo.start`` for calls that leave this machine).
        """
        self.path = path.absolute()
        self._deadline_s = deadline_s
        self._start = start
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = {
            **kept,
            "GIT_CEILING_DIRECTORIES": str(self.path.resolve().parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_GRAFT_FILE": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "HOME": os.devnull,
            "LC_ALL": "C",
            "TZ": "UTC",
            **(environment or {}),
        }

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return what ``git arguments`` writes.

        InputError: no git, or no repository here. TransientError: too slow, locked, or anything else it says.
        """
        code, output, errors = self._call(arguments, stdin=stdin, settings=settings, environment=environment)
        if code:
            raise self._translate(arguments[0], errors)
        return output

    def attempt(
        self,
        *arguments: str,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Return the exit code of ``git arguments`` and what it says on standard error."""
        code, _, said = self._call(arguments, settings=settings, environment=environment)
        return code, said

    def open(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``git arguments`` to be asked many things over pipes; the caller watches the time, and ends it."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = ["git", "-C", str(self.path), *options, *arguments]
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                bufsize=0,
            )
        except FileNotFoundError as error:
            raise InputError("git", "is not installed", reason="GitMissing", hint="apt-get install git") from error

    @property
    def deadline_s(self) -> float:
        """Return how long a call may take."""
        return self._deadline_s

    def refs(self, *patterns: str) -> list[Ref]:
        """Return every ref that is named by one of ``patterns``, or lies below it."""
        output = self.run("for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", *patterns)
        lines = (line.split(" ", 2) for line in output.decode("utf-8", "backslashreplace").splitlines())
        return [Ref(name=name, object_id=check_id(object_id), kind=kind) for object_id, kind, name in lines]

    def head(self, branch: str) -> str | None:
        """Return the commit that ``branch`` is at, None if there is no such branch."""
        return self.at(branch_ref(branch))

    def at(self, ref: str) -> str | None:
        """Return the object that ``ref`` (a full, checked name) is at, None if there is no such ref."""
        output = self.run("for-each-ref", "--format=%(objectname) %(refname)", ref).decode()
        lines = (line.split(" ", 1) for line in output.splitlines())
        return next((check_id(commit) for commit, name in lines if name == ref), None)

    def own_path(self, name: str) -> Path:
        """Return where git keeps ``name`` (``objects``, a full ref name) of this repository, there or not."""
        found = self.run("rev-parse", "--git-path", name).decode("utf-8", "surrogateescape").rstrip("\n")
        return self.path / found

    def current_branch(self) -> str | None:
        """Return the branch that is checked out (or that HEAD names in a bare repository), None if detached."""
        code, output, errors = self._call(("symbolic-ref", "--quiet", "HEAD"))
        if code == 1:
            return None
        if code:
            raise self._translate("symbolic-ref", errors)
        return output.decode().strip().removeprefix("refs/heads/")

    def files(self, commit: str, *, under: str | tuple[str, ...] = "") -> list[TreeEntry]:
        """Return every file of ``commit``, or those ``under`` folders (``nodes/``) or paths, each from the top."""
        paths = ("--", *((under,) if isinstance(under, str) else under)) if under else ()
        listing = self.run("ls-tree", "-r", "-z", "--full-tree", "--long", check_id(commit), *paths)
        return [_tree_entry(record) for record in listing.split(b"\0") if record]

    def objects(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of objects by name (an id, or ``id:path``), in one call; those missing have no entry."""
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        for name in wanted:
            check_id(name[:40])
            if "\n" in name:
                raise InvariantError("git", "an object name with a line break", reason="BadObjectId")
        data = self.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode())
        contents: dict[str, bytes] = {}
        at = 0
        for name in wanted:
            end = data.index(b"\n", at)
            header, at = data[at:end], end + 1
            if header.endswith((b" missing", b" submodule")):
                continue
            size = int(header.rsplit(b" ", 1)[1])
            contents[name] = data[at : at + size]
            at += size + 1
        return contents

    def sizes(self, objects: Iterable[str]) -> dict[str, int]:
        """Return how many bytes each of ``objects`` has, without those that the repository does not hold."""
        wanted = "".join(f"{check_id(object_id)}\n" for object_id in dict.fromkeys(objects))
        if not wanted:
            return {}
        lines = self.run("cat-file", "--batch-check", stdin=wanted.encode()).decode().splitlines()
        fields = (line.split(" ") for line in lines)
        return {field[0]: int(field[2]) for field in fields if field[1] != "missing"}

    def tree_of(self, commit: str) -> str:
        """Return the root tree of ``commit``."""
        return check_id(self.run("rev-parse", "--verify", f"{check_id(commit)}^{{tree}}").decode().strip())

    def changes(self, commit: str, *, parent: str | None) -> list[Change]:
        """Return the paths in which ``commit`` differs from ``parent``; without a parent, every path."""
        if parent is None:
            return [Change(path=entry.path, mode=entry.mode) for entry in self.files(commit)]
        options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
        fields = self.run("diff-tree", *options, check_id(parent), check_id(commit)).split(b"\0")
        pairs = zip(fields[0::2], fields[1::2], strict=False)
        return [Change(path=path, mode=meta.split(b" ")[1].decode()) for meta, path in pairs]

    def changes_between(
        self, pairs: Iterable[tuple[str, str | None]], *, under: tuple[str, ...] = ()
    ) -> list[tuple[str, Change]]:
        """Return in which paths the first of each pair of commits differs from the second, or from nothing at all.

        ``under`` names the files and folders that are asked for.
        """
        asked = [(new, old) for new, old in pairs if new != old]
        lines = "".join(f"{check_id(new)} {check_id(old)}\n" if old else f"{check_id(new)}\n" for new, old in asked)
        if not lines:
            return []
        options = ("--stdin", "--root", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
        paths = ("--", *under) if under else ()
        fields = iter(self.run("diff-tree", *options, *paths, stdin=lines.encode()).split(b"\0"))
        changes = []
        current = ""
        for field in fields:
            if field.startswith(b":"):
                _, mode, _, object_id, _ = field.decode().split(" ")
                changes.append((current, Change(path=next(fields), mode=mode, object_id=object_id)))
            elif field:
                current = check_id(field.decode().strip().split(" ")[0])
        return changes

    def merge_bases(self, one: str, other: str) -> list[str]:
        """Return every best common ancestor of two commits."""
        code, output, errors = self._call(("merge-base", "--all", check_id(one), check_id(other)))
        if code not in {0, 1}:
            raise self._translate("merge-base", errors)
        return output.decode().split()

    def history(self, commit: str, *, past: str | None = None) -> list[HistoryChange]:
        """Return what ``commit`` and its first-parent ancestors, down to ``past``, changed against first parents."""
        chain = self.first_parents(commit, past=past)
        return self.changed_paths((own, next(iter(parents), None)) for own, parents in chain)

    def changed_paths(self, pairs: Iterable[tuple[str, str | None]]) -> list[HistoryChange]:
        """Return what each first of ``pairs`` of commits changed against the second, or against nothing at all."""
        asked = "".join(f"{check_id(new)} {check_id(old)}\n" if old else f"{check_id(new)}\n" for new, old in pairs)
        options = ("--stdin", "--root", "-r", "-z", "--raw", "--no-renames", "--no-abbrev")
        fields = iter(self.run("diff-tree", *options, stdin=asked.encode()).split(b"\0"))
        changes = []
        current = ""
        for field in fields:
            if field.startswith(b":"):
                _, mode, _, _, status = field.decode().split(" ")
                changes.append(HistoryChange(commit=current, path=next(fields), mode=mode, status=status))
            elif field:
                current = check_id(field.decode().strip().split(" ")[0])
        return changes

    def first_parents(self, commit: str, *, past: str | None) -> list[tuple[str, tuple[str, ...]]]:
        """Return ``commit`` and its first-parent ancestors with all their parents, oldest first, down to ``past``."""
        stop = (f"^{check_id(past)}",) if past else ()
        output = self.run("rev-list", "--first-parent", "--parents", "--reverse", check_id(commit), *stop).decode()
        lines = (line.split(" ") for line in output.splitlines())
        return [(ids[0], tuple(ids[1:])) for ids in lines]

    def side_commits(self, commit: str, *, parent: str) -> list[str]:
        """Return every commit that ``commit`` brings in and ``parent`` does not have, without ``commit`` itself.

        Oldest first; none comes before one of its ancestors.
        """
        output = self.run("rev-list", "--topo-order", "--reverse", check_id(commit), f"^{check_id(parent)}").decode()
        return [line for line in output.splitlines() if line != commit]

    def is_ancestor(self, commit: str, *, of: str) -> bool:
        """Return whether ``commit`` is ``of`` or one of its ancestors."""
        code, _, errors = self._call(("merge-base", "--is-ancestor", check_id(commit), check_id(of)))
        if code not in {0, 1}:
            raise self._translate("merge-base", errors)
        return code == 0

    def verify_commit(self, commit: str, *, allowed: AllowedSigners) -> Signature | None:
        """Return who of ``allowed`` signed ``commit``; None if nobody of them did, or the signature does not hold."""
        try:
            with tempfile.NamedTemporaryFile(prefix="ringfence-signers-") as file:
                file.write(allowed.to_bytes())
                file.flush()
                settings = {"gpg.ssh.allowedSignersFile": file.name}
                code, _, said = self._call(("verify-commit", "--raw", check_id(commit)), settings=settings)
        except OSError as error:
            hint = "is the disk of temporary files full?"
            message = f"no temporary file can be written: {error.strerror}"
            raise TransientError("git", message, reason="TemporaryFiles", hint=hint) from error
        found = [match for line in said.splitlines() if (match := _GOOD.fullmatch(line))]
        if code or len(found) != 1:
            return None
        principal, fingerprint = found[0]["principal"], found[0]["fingerprint"]
        # Git passed ssh-keygen's answer on; whose key that is was read from the same file a second way.
        if allowed.owner(fingerprint) != principal:
            return None
        return Signature(principal=principal, fingerprint=fingerprint)

    def move_branch(self, branch: str, *, old: str | None, new: str, note: str) -> bool:
        """Move ``branch`` from ``old`` (None: it does not exist) to ``new``; False if it is not at ``old``."""
        arguments = ("update-ref", "-m", note, branch_ref(branch), check_id(new), check_id(old or NO_COMMIT))
        code, _, errors = self._call(arguments)
        if code and ("but expected" in errors or "reference already exists" in errors):
            return False
        if code:
            raise self._translate("update-ref", errors)
        return True

    def keep(self, ref: str, commit: str) -> None:
        """Let ``ref``, which is no branch, name ``commit``, so that it stays in the repository."""
        self.run("update-ref", ref, check_id(commit))

    def _call(
        self,
        arguments: tuple[str, ...],
        *,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, str]:
        pairs = {**_SETTINGS, **(settings or {})}.items()
        options = [word for name, value in pairs for word in ("-c", f"{name}={value}")]
        try:
            done = self._start(
                ["git", "-C", str(self.path), *options, *arguments],
                input=stdin,
                capture_output=True,
                check=False,
                timeout=self._deadline_s,
                env={**self._environment, **(environment or {})},
            )
        except FileNotFoundError as error:
            raise InputError("git", "is not installed", reason="GitMissing", hint="apt-get install git") from error
        except subprocess.TimeoutExpired as error:
            message = f"{arguments[0]} took longer than {self._deadline_s:.0f} s"
            raise TransientError("git", message, reason="GitTimeout", hint="is its disk busy?") from error
        return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")

    def _translate(self, command: str, errors: str) -> RingfenceError:
        subject = f"repository {self.path.name}"
        if "not a git repository" in errors or "cannot change to" in errors:
            hint = "give the top folder of a state repository, or make one with: ringfence init"
            return InputError(subject, "is not a git repository", reason="NotARepository", hint=hint)
        if "dubious ownership" in errors:
            hint = "run ringfence as the repository's owner"
            return InputError(subject, "belongs to somebody else", reason="NotOurRepository", hint=hint)
        if _UNWRITTEN.search(errors):
            hint = "make room on its disk, and look whether that fails; nothing that is in it is lost"
            message = f"cannot be written to: {cut(errors)}"
            return TransientError(subject, message, reason="DiskFull", hint=hint)
        if _LACKING.search(errors):
            hint = "fetch the history whole (git fetch --unshallow), then look with: git fsck"
            return TrustError(
                subject, f"lacks an object, or one is broken: {cut(errors)}", reason="ObjectMissing", hint=hint
            )
        if ".lock'" in errors and "File exists" in errors:
            hint = "if no git runs in it, delete the lock file that git names"
            return TransientError(subject, f"is locked: {cut(errors)}", reason="GitLocked", hint=hint)
        return TransientError(subject, f"git {command} failed: {cut(errors)}", reason="GitFailed")


def _tree_entry(record: bytes) -> TreeEntry:
    meta, path = record.split(b"\t", 1)
    mode, _, object_id, size = meta.decode().split()
    if size == "BAD":
        hint = "look with: git fsck"
        raise TrustError(f"object {object_id[:12]}", "is missing or damaged", reason="ObjectMissing", hint=hint)
    return TreeEntry(path=path, mode=mode, object_id=object_id, size=0 if size == "-" else int(size))
