"""One remote of the state repository: what it has, fetching it, and pushing evidence to it.

Rules:
1. what is fetched lands in refs of its own (``refs/remotes/ringfence/``) and among the approvals
   (``refs/tags/approve/``); no branch of ours moves, and nothing fetched is trusted by that;
2. a push only ever adds to a branch; nothing is forced, whatever the clone's own configuration says;
3. SSH hosts are known beforehand or refused; redirects are not followed; no user, no terminal and no agent of another
   program is asked, except an SSH agent when no key is named;
4. a token is read anew for each call, stands in no argument, and goes to HTTPS or this machine only;
5. every call has a deadline, and everything that it started ends with it.
Not checked: how large a fetch is. Git refuses malformed objects; a remote can still fill the disk.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.errors.taxonomy import DeviceError, InputError, RingfenceError, TransientError, cut
from reconciler.repo.git import Git, branch_ref, check_id
from reconciler.repo.start import start_group

TRACKING = "refs/remotes/ringfence/"
APPROVALS = "refs/tags/approve/"
_SCP = re.compile(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._~/+-]+")
_URL = re.compile(r"(ssh|https?|file)://[A-Za-z0-9._~:/@%+\[\]-]+")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECT_S = 10
_SETTINGS = {
    "protocol.allow": "never",
    "protocol.ssh.allow": "always",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "protocol.file.allow": "always",
    "credential.helper": "",
    "core.askPass": "",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "100",
    "http.lowSpeedTime": "20",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "fetch.prune": "false",
    "fetch.pruneTags": "false",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
}
_FETCH = (
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--refmap=",
    "--no-auto-gc",
)
_REFUSED = (
    "Permission denied",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "returned error: 403",
    "returned error: 401",
    "Too many authentication failures",
)
_MISSING = ("does not appear to be a git repository", "returned error: 404", "not found", "does not exist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a remote is reached; ``token`` is asked for at each call and never kept."""

    url: str
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    token: Callable[[], str] | None = None
    ca: Path | None = None
    deadline_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRefs:
    """What a remote has: the desired branch, the evidence branch (None: not there) and approvals by full name."""

    desired: str | None
    evidence: str | None
    approvals: Mapping[str, str] = field(default_factory=dict)


class Remote:
    """One remote of the repository ``git``."""

    def __init__(self, git: Git, *, access: Access, branch: str = "main", evidence: str = "evidence") -> None:
        """Nothing is reached yet; InputError if ``access`` cannot be used."""
        _check_access(access)
        self.git = git
        self.branch = branch
        self.evidence = evidence
        self.tracking = f"{TRACKING}{branch_ref(branch).removeprefix('refs/heads/')}"
        self.evidence_tracking = f"{TRACKING}{branch_ref(evidence).removeprefix('refs/heads/')}"
        self._access = access
        self.subject = f"remote {_shown(access.url)}"
        self._wire = _Wire(git.path, access=access)

    def look(self) -> RemoteRefs:
        """Return what the remote has now; nothing is fetched. TransientError: away. DeviceError: it refuses us."""
        wanted = (branch_ref(self.branch), branch_ref(self.evidence), f"{APPROVALS}*")
        output = self._call("ls-remote", "--refs", self._access.url, *wanted).decode("utf-8", "replace")
        refs = {name: check_id(commit) for commit, _, name in (line.partition("\t") for line in output.splitlines())}
        return RemoteRefs(
            desired=refs.get(branch_ref(self.branch)),
            evidence=refs.get(branch_ref(self.evidence)),
            approvals={name: value for name, value in refs.items() if name.startswith(APPROVALS)},
        )

    def fetch(self, seen: RemoteRefs) -> bool:
        """Bring what ``seen`` names and this repository lacks; return whether there was anything to bring."""
        specs = []
        if seen.desired and self.git.at(self.tracking) != seen.desired:
            specs.append(f"+{branch_ref(self.branch)}:{self.tracking}")
        if seen.evidence and self.git.at(self.evidence_tracking) != seen.evidence:
            specs.append(f"+{branch_ref(self.evidence)}:{self.evidence_tracking}")
        if seen.approvals.items() - self._approvals().items():
            specs.append(f"+{APPROVALS}*:{APPROVALS}*")
        if not specs:
            return False
        self._call("fetch", *_FETCH, self._access.url, *specs)
        return True

    def fetch_branch(self, branch: str, *, into: str) -> str | None:
        """Bring ``branch`` to the ref ``into``, wherever that was, and return its commit; None if it is not there."""
        ref = branch_ref(branch)
        line = self._call("ls-remote", "--refs", self._access.url, ref).decode("utf-8", "replace").strip()
        if not line:
            return None
        commit = check_id(line.partition("\t")[0])
        if self.git.at(into) != commit:
            self._call("fetch", *_FETCH, self._access.url, f"+{ref}:{into}")
        return self.git.at(into)

    def push(self, commit: str, *, branch: str) -> None:
        """Put ``commit`` on the remote's ``branch`` if that only adds to it.

        TransientError: away, or somebody moved the branch. DeviceError: the remote refuses.
        """
        spec = f"{check_id(commit)}:{branch_ref(branch)}"
        self._call("push", "--quiet", "--no-verify", self._access.url, spec)

    def keep(self, commit: str, *, ref: str) -> None:
        """Let the remote's new ``ref``, a full name that is no branch, name ``commit``. Errors as ``push``."""
        self._call("push", "--quiet", "--no-verify", self._access.url, f"{check_id(commit)}:{ref}")

    def _approvals(self) -> dict[str, str]:
        output = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", APPROVALS).decode("utf-8", "replace")
        return {name: commit for commit, _, name in (line.partition(" ") for line in output.splitlines())}

    def _call(self, *arguments: str) -> bytes:
        settings = dict(_SETTINGS)
        if self._access.ca is not None:
            settings["http.sslCAInfo"] = str(self._access.ca)
        return self._wire.run(*arguments, settings=settings, environment=self._environment())

    def _environment(self) -> dict[str, str]:
        access = self._access
        found = {"GIT_SSH_COMMAND": _ssh_command(access), "GIT_SSH_VARIANT": "ssh", "GIT_ASKPASS": "false"}
        if access.token is not None:
            user = urlsplit(access.url).username or "x-access-token"
            basic = base64.b64encode(f"{user}:{access.token()}".encode()).decode("ascii")
            header = {"KEY": "http.extraHeader", "VALUE": f"Authorization: Basic {basic}"}
            found |= {"GIT_CONFIG_COUNT": "1", **{f"GIT_CONFIG_{name}_0": value for name, value in header.items()}}
        return found


class _Wire(Git):
    """Git for calls that leave this machine: what a remote says is told apart, and nothing outlives its call."""

    def __init__(self, path: Path, *, access: Access) -> None:
        super().__init__(path, deadline_s=access.deadline_s, start=start_group)
        self._subject = f"remote {_shown(access.url)}"

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Return what ``git arguments`` writes."""
        try:
            return super().run(*arguments, stdin=stdin, settings=settings, environment=environment)
        except TransientError as error:
            if error.reason != "GitTimeout":
                raise
            raise self._away(f"did not answer within {self._deadline_s:.0f} s") from error

    def _away(self, message: str) -> TransientError:
        hint = "what is in force stays in force; it is tried again"
        return TransientError(self._subject, message, reason="RemoteAway", hint=hint)

    def _translate(self, command: str, errors: str) -> RingfenceError:
        """Return what ``errors`` means: git's words and the server's, told apart here and nowhere else."""
        if ".lock'" in errors and "File exists" in errors:
            return super()._translate(command, errors)
        said = cut(errors)
        if "Host key verification failed" in errors:
            hint = "put the host's key into the known_hosts file that the settings name, after checking it"
            return DeviceError(self._subject, "has a host key that is not known", reason="RemoteUnknownHost", hint=hint)
        if "[remote rejected]" in errors:
            hint = "the server's hook or the forge's branch rules say why; let this machine's account push to it"
            return DeviceError(self._subject, f"refuses the push: {said}", reason="RemoteRefusesPush", hint=hint)
        if "[rejected]" in errors:
            hint = "it is looked at again; does a second reconciler push to it?"
            return TransientError(self._subject, "was moved by somebody else", reason="RemoteMoved", hint=hint)
        return self._translate_access(errors, said=said)

    def _translate_access(self, errors: str, *, said: str) -> RingfenceError:
        if any(text in errors for text in _REFUSED):
            hint = "see the key, token or user that the settings name under remote"
            return DeviceError(self._subject, f"refuses us: {said}", reason="RemoteRefuses", hint=hint)
        if any(text in errors for text in _MISSING):
            hint = "see remote.url in the settings; some servers say this to those who may not see it"
            return InputError(self._subject, f"is not there: {said}", reason="RemoteMissing", hint=hint)
        return self._away(said)


def configured_url(git: Git, name: str) -> str:
    """Return the URL of the remote that the clone ``git`` calls ``name``."""
    hint = "git remote -v shows those that there are"
    if _NAME.fullmatch(name):
        try:
            return git.run("config", "--get", f"remote.{name}.url").decode("utf-8", "replace").strip()
        except TransientError as error:
            raise InputError(f"remote {name}", "is not set up", reason="RemoteUnknown", hint=hint) from error
    raise InputError(f"remote {cut(name)}", "is no name for a remote", reason="RemoteUnknown", hint=hint)


def _check_access(access: Access) -> None:
    url = access.url
    subject = f"remote {_shown(url)}"
    hint = "write ssh://USER@HOST/PATH, USER@HOST:PATH, https://HOST/PATH or the path of a folder"
    if not (_SCP.fullmatch(url) or _URL.fullmatch(url) or (url.startswith("/") and url.isprintable())):
        raise InputError(subject, "is no address of a repository", reason="RemoteAddress", hint=hint)
    parts = urlsplit(url) if _URL.fullmatch(url) else None
    if parts is not None and parts.password is not None:
        hint = "put it into a file of its own, and name that under remote.token"
        raise InputError(subject, "has a password in its address", reason="RemoteAddress", hint=hint)
    is_ssh = bool(_SCP.fullmatch(url)) or url.startswith("ssh://")
    if is_ssh and access.known_hosts is None:
        hint = "ssh-keyscan HOST > FILE, compare with what the host's owner says, then name it under remote.known_hosts"
        raise InputError(subject, "would be believed whoever it is", reason="RemoteUnknownHost", hint=hint)
    if access.token is None:
        return
    if parts is None or parts.scheme not in {"http", "https"}:
        raise InputError(subject, "takes no token", reason="RemoteAddress", hint="tokens are for https:// only")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise InputError(subject, "would show the token to the network", reason="RemoteAddress", hint="use https://")


def _ssh_command(access: Access) -> str:
    key = (
        ()
        if access.ssh_key is None
        else ("-i", str(access.ssh_key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none")
    )
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(access.known_hosts or os.devnull),
        "GlobalKnownHostsFile": os.devnull,
        "UpdateHostKeys": "no",
        "ControlMaster": "no",
        "ControlPath": "none",
        "ForwardAgent": "no",
        "ClearAllForwardings": "yes",
        "ConnectTimeout": str(_CONNECT_S),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return shlex.join(["ssh", "-F", os.devnull, *key, *words])


def _shown(url: str) -> str:
    """Return ``url`` as it may be shown: without user, password and query."""
    return cut(re.sub(r"//[^/@]*@", "//", url.partition("?")[0]))
