"""GPG keys for tests, made at run time in a home of their own: good, expired, revoked, and strangers'.

The agents that gpg starts for private keys end with ``close``.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PAST = "20200101T000000"
"""When the key that has expired was made; it was good for a year."""


class GpgKeys:
    """Keys by name: ``gina``, ``erin`` (expired), ``rita`` (revoked), ``sten`` and ``sub`` (strangers)."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)
        self.fingerprints: dict[str, str] = {}
        for name in ("gina", "rita", "sten"):
            self._make(name)
        self._make("erin", expires="1y", at=PAST)
        self._make("sub")
        self._gpg("--quick-add-key", self.fingerprints["sub"], "ed25519", "sign", "never")
        self.armour = {name: self._export(name) for name in self.fingerprints}
        self.armour["rita"] = self._revoked("rita")

    def close(self) -> None:
        """Stop the agent."""
        for home in (self.home, self.home / "revoked"):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, timeout=30)

    def private(self, name: str) -> bytes:
        """Return the armoured private key of ``name``."""
        return self._gpg("--armor", "--export-secret-keys", self.fingerprints[name])

    def both(self, *names: str) -> bytes:
        """Return several public keys in one armour."""
        return self._gpg("--armor", "--export", *(self.fingerprints[name] for name in names))

    def at(self, moment: str | None) -> None:
        """Let gpg believe that it is ``moment``."""
        content = f"faked-system-time {moment}!\n" if moment else ""
        (self.home / "gpg.conf").write_text(f"batch\nno-tty\n{content}")

    def _make(self, name: str, *, expires: str = "never", at: str | None = None) -> None:
        self.at(at)
        self._gpg("--quick-generate-key", f"{name} <{name}@localhost>", "ed25519", "sign", expires)
        self.at(None)
        listed = self._gpg("--with-colons", "--list-keys", f"={name} <{name}@localhost>").decode()
        self.fingerprints[name] = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def _export(self, name: str) -> bytes:
        return self._gpg("--armor", "--export", self.fingerprints[name])

    def _revoked(self, name: str) -> bytes:
        """Return the public key with its revocation, which this home does not know, so that it can sign on."""
        made = (self.home / "openpgp-revocs.d" / f"{self.fingerprints[name]}.rev").read_text()
        other = self.home / "revoked"
        other.mkdir(mode=0o700)
        revocation = made.replace(":-----BEGIN", "-----BEGIN").encode()
        self._gpg("--homedir", str(other), "--import", stdin=self.armour[name])
        self._gpg("--homedir", str(other), "--import", stdin=revocation)
        return self._gpg("--homedir", str(other), "--armor", "--export", self.fingerprints[name])

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        options = ("--quiet", "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
        environment = {"PATH": os.environ["PATH"], "GNUPGHOME": str(self.home), "HOME": str(self.home)}
        done = subprocess.run(
            ["gpg", *options, *arguments], input=stdin, capture_output=True, check=False, timeout=30, env=environment
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout
