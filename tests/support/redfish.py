"""A Redfish BMC on loopback: sushy-tools' emulator with its fake machine, in a process of its own.

Its configuration is a program that it runs, and the machine's faults are put there: what is said about power and boot
device goes into the file ``done``, and is not done while ``stuck`` or ``stubborn`` is there. The emulator takes a
random 1 to 11 s for a change of power; here it takes what the file ``delay_s`` says. It answers ``Continuous`` where
``Once`` was set, forgets nothing over a restart, closes every connection after one answer, and has one machine only.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import ssl
import sys
import urllib.request
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.devices import Peer, wait_until
from tests.support.pki import END_ENTITY, SERVER_USAGE, name

UUID = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
_CONFIGURATION = """
import os
from sushy_tools.emulator.resources.systems import fakedriver

FOLDER = {folder!r}

def told(file):
    path = os.path.join(FOLDER, file)
    return open(path).read() if os.path.exists(path) else None

def obeying(method, fault, word):
    def obey(self, identity, value):
        with open(os.path.join(FOLDER, "done"), "a") as log:
            print(word, value, file=log)
        if told(fault) is None:
            method(self, identity, value)
    return obey

class Fixed:
    @staticmethod
    def randint(low, high):
        return int(told("delay_s") or 0)

fakedriver.random = Fixed
Driver = fakedriver.FakeDriver
Driver.set_power_state = obeying(Driver.set_power_state, "stuck", "power")
Driver.set_boot_device = obeying(Driver.set_boot_device, "stubborn", "boot")

SUSHY_EMULATOR_AUTH_FILE = os.path.join(FOLDER, "users")
SUSHY_EMULATOR_STATE_DIR = FOLDER
"""


@cache
def server_certificate() -> tuple[bytes, bytes]:
    """Return a self-signed certificate for 127.0.0.1 and its key, both PEM, the same in this process."""
    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name("bmc"), name("bmc"), key.public_key(), 7, now - timedelta(1), now + timedelta(1))
        .add_extension(END_ENTITY, critical=True)
        .add_extension(SERVER_USAGE, critical=False)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM), private


def pin(certificate: bytes) -> str:
    """Return how a document names a PEM certificate."""
    return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).hexdigest()


class RealRedfish(Peer):
    """The emulator on a loopback port with TLS; ``certificate`` and ``key`` are files in its folder."""

    user = "admin"
    password = "its-password"  # noqa: S105 - made up, for a BMC that lives as long as a test

    def __init__(self) -> None:
        """Start it, with the machine off."""
        super().__init__()
        certificate, key = server_certificate()
        self.certificate, self.pin = self.folder / "certificate.pem", pin(certificate)
        self.certificate.write_bytes(certificate)
        (self.folder / "key.pem").write_bytes(key)
        hashed = bcrypt.hashpw(self.password.encode(), bcrypt.gensalt(rounds=4)).decode()
        (self.folder / "users").write_text(f"{self.user}:{hashed}\n")
        (self.folder / "emulator.conf").write_text(_CONFIGURATION.format(folder=str(self.folder)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        try:
            self.boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def boot(self) -> None:
        """Start the emulator's process, for the first time or again."""
        self.process = self.start(
            sys.executable, "-m", "sushy_tools.emulator.main", "--fake", "--config", str(self.folder / "emulator.conf"),
            "--interface", "127.0.0.1", "--port", str(self.port),
            "--ssl-certificate", str(self.certificate), "--ssl-key", str(self.folder / "key.pem"),
        )  # fmt: skip
        wait_until(self._is_there, what="no emulator")

    def halt(self) -> None:
        """End the emulator's process; the machine stays as it is."""
        self.process.kill()
        self.process.wait(timeout=10)

    def _is_there(self) -> bool:
        try:
            self.system()
        except OSError:
            return False
        return True

    def system(self) -> dict[str, Any]:
        """Return the truth: the machine as the emulator shows it."""
        login = b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}/redfish/v1/Systems/{UUID}", headers={"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(  # noqa: S310 - the address is three lines above
            request, timeout=10, context=ssl.create_default_context(cafile=str(self.certificate))
        ) as answer:
            told: dict[str, Any] = json.load(answer)
            return told

    def is_on(self) -> bool:
        """Return whether the machine is on."""
        return self.system()["PowerState"] == "On"

    def commands(self) -> list[str]:
        """Return what the machine was told, in order."""
        path = self.folder / "done"
        return path.read_text().splitlines() if path.exists() else []

    def file(self, file: str) -> Path:
        """Return a file that makes the machine faulty while it is there."""
        return self.folder / file
