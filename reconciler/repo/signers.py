"""``trust/allowed_signers``: who is known here, and by which keys (ssh-keygen(1), ALLOWED SIGNERS).

Rules: less than OpenSSH allows. One principal a line, without wildcards; the options ``namespaces``, ``valid-after``
and ``valid-before`` only, each once, with dates that exist, read as UTC; no certificate authorities; a key belongs to
one principal. A line that breaks a rule is dropped, so that it can only ever mean fewer signers; ``findings`` says
what was dropped.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from reconciler.errors.taxonomy import Finding
from reconciler.repo.windows import ALWAYS, Window, parse_window

_LINE = re.compile(
    r"(?P<principal>[A-Za-z0-9._@+-]{1,128})[ \t]+"
    r"(?:(?P<options>[a-z-]+=\"[^\"]*\"(?:,[a-z-]+=\"[^\"]*\")*)[ \t]+)?"
    r"(?P<type>[a-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/]+={0,2})(?:[ \t].*)?"
)
_OPTIONS = frozenset({"namespaces", "valid-after", "valid-before"})
_OPTION = re.compile(r"([a-z-]+)=\"([^\"]*)\"")
_WINDOWS = re.compile(r"(?<=[ \t,])valid-(?:after|before)=\"[^\"]*\"(?:,|(?=[ \t]))")
_KEY_TYPES = frozenset(
    {
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One key of one principal; ``line`` is what the file says, ``fingerprint`` is OpenSSH's ``SHA256:…``."""

    principal: str
    fingerprint: str
    line: str
    window: Window = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSigners:
    """Everybody whose signature can count."""

    signers: tuple[Signer, ...]

    @property
    def principals(self) -> frozenset[str]:
        """Return everybody's name."""
        return frozenset(signer.principal for signer in self.signers)

    def only(self, principals: Collection[str]) -> AllowedSigners:
        """Return those of ``principals`` who are known."""
        return AllowedSigners(signers=tuple(signer for signer in self.signers if signer.principal in principals))

    def at(self, fingerprint: str) -> Signer | None:
        """Return the key that has ``fingerprint``."""
        return next((signer for signer in self.signers if signer.fingerprint == fingerprint), None)

    def always(self) -> AllowedSigners:
        """Return the same signers without their validity windows: to tell why a signature does not count."""
        return AllowedSigners(
            signers=tuple(replace(signer, line=_WINDOWS.sub("", signer.line)) for signer in self.signers)
        )

    def owner(self, fingerprint: str) -> str | None:
        """Return whose key has ``fingerprint``."""
        return next((signer.principal for signer in self.signers if signer.fingerprint == fingerprint), None)

    def to_bytes(self) -> bytes:
        """Return the file that git is given."""
        return "".join(f"{signer.line}\n" for signer in self.signers).encode("ascii")


def parse_allowed_signers(content: bytes, *, path: str) -> tuple[AllowedSigners, list[Finding]]:
    """Return the signers in ``content``, and a finding for every line that was dropped."""
    signers: dict[str, Signer] = {}
    findings: list[Finding] = []
    for number, raw in enumerate(content.split(b"\n"), start=1):
        line = raw.strip()
        if not line or line.startswith(b"#"):
            continue
        signer = _parse_line(line)
        if isinstance(signer, str):
            hint = "write: principal ssh-ed25519 AAAA…"
            findings.append(_finding(path, number, signer, hint))
        elif signers.get(signer.fingerprint, signer).principal != signer.principal:
            owner = signers[signer.fingerprint].principal
            findings.append(_finding(path, number, f"is the key of {owner}", "a key belongs to one signer"))
        else:
            signers[signer.fingerprint] = signer
    return AllowedSigners(signers=tuple(signers.values())), findings


def _finding(path: str, line: int, message: str, hint: str) -> Finding:
    return Finding(path=path, line=line, column=1, code="BadSigner", message=message, hint=hint)


def _parse_line(line: bytes) -> Signer | str:
    """Return the signer of one line, or what is wrong with it."""
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError:
        return "holds a character outside ASCII"
    found = _LINE.fullmatch(text)
    if not found:
        return "is not one principal and one key"
    blob = _key_blob(found["key"])
    name = found["type"].encode("ascii")
    window = _window(found["options"] or "")
    if isinstance(window, str):
        return window
    if found["type"] not in _KEY_TYPES:
        return f"has a key of type {found['type'][:64]}, which is not allowed here"
    if not blob.startswith(len(name).to_bytes(4, "big") + name):
        return "has a key that is not what it says"
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return Signer(principal=found["principal"], fingerprint=f"SHA256:{digest}", line=text, window=window)


def _window(text: str) -> Window | str:
    options = _OPTION.findall(text)
    if not {option for option, _ in options} <= _OPTIONS or len(dict(options)) != len(options):
        return "has an option that is not allowed here"
    return parse_window(dict(options))


def _key_blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def signer_line(principal: str, *, public_key: str) -> str:
    """Return the line of ``principal`` for the text of a ``.pub`` file; only signatures by git will count."""
    kind, blob = public_key.split()[:2]
    return f'{principal} namespaces="git" {kind} {blob}'
