"""Everybody whose signature on a commit can count: ``trust/allowed_signers`` and ``trust/gpg/*.asc``.

Rules: a file in ``trust/gpg`` is named after its principal, who may have SSH keys as well; a key belongs to one
principal. What anybody may change is not said here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.errors.taxonomy import Finding
from reconciler.repo import layout
from reconciler.repo.gpg import GpgKey, read_fingerprint
from reconciler.repo.signers import AllowedSigners, parse_allowed_signers

_PRINCIPAL = re.compile(r"[A-Za-z0-9._@+-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The keys of everybody who is known at one commit."""

    ssh: AllowedSigners
    gpg: tuple[GpgKey, ...] = ()

    @property
    def principals(self) -> frozenset[str]:
        """Return everybody's name."""
        return self.ssh.principals | {key.principal for key in self.gpg}

    def gpg_owner(self, fingerprint: str) -> str | None:
        """Return whose primary GPG key has ``fingerprint``."""
        return next((key.principal for key in self.gpg if key.fingerprint == fingerprint), None)


def read_keyring(allowed: bytes, *, gpg: Mapping[str, bytes]) -> tuple[Keyring, list[Finding]]:
    """Return who is known by the allowed-signers file and the armoured keys by path, and what is wrong with them.

    InputError: there are GPG keys, and gpg is not installed.
    """
    signers, findings = parse_allowed_signers(allowed, path=layout.ALLOWED_SIGNERS)
    keys: dict[str, GpgKey] = {}
    for path, content in sorted(gpg.items()):
        principal = layout.gpg_principal(path)
        problem = name_problem(path)
        fingerprint, wrong = ("", problem) if problem else read_fingerprint(content)
        if wrong:
            hint = f"write it with: gpg --armor --export KEY > {layout.GPG_KEYS}/PRINCIPAL.asc"
            findings.append(Finding(path=path, code="BadSigner", message=wrong, hint=hint))
        elif fingerprint in keys:
            message = f"is the key of {keys[fingerprint].principal}"
            findings.append(Finding(path=path, code="BadSigner", message=message, hint="a key belongs to one signer"))
        else:
            keys[fingerprint] = GpgKey(principal=principal, fingerprint=fingerprint, armour=content)
    if not signers.signers and not keys and not findings:
        hint = "keep at least one signer: principal ssh-ed25519 AAAA…"
        findings.append(Finding(path=layout.ALLOWED_SIGNERS, code="NoSigners", message="names nobody", hint=hint))
    return Keyring(ssh=signers, gpg=tuple(keys.values())), findings


def name_problem(path: str) -> str:
    """Return what is wrong with the name of a file in ``trust/gpg``, or nothing."""
    return "" if _PRINCIPAL.fullmatch(layout.gpg_principal(path)) else "is not named after a signer"
