"""The real service process on loopback addresses, and a client that speaks like a node.

``ServiceProcess`` starts ``serve`` as a process of its own with two airlocks (127.0.0.2
for n1, 127.0.0.3 for n2) and an enclave network (127.0.0.4), and ends it by its pid.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from reconciler.model.binding import qualifying_data
from tests.support.softtpm import SoftTpm

N1, N2, NETWORK = "127.0.0.2", "127.0.0.3", "127.0.0.4"
EPHEMERAL = "age1" + "q" * 58
_START_S = 10.0
PROGRAM = (
    "from reconciler.daemon.service.serve import serve; "
    "from reconciler.daemon.settings import load_settings; "
    "serve(load_settings())"
)


def free_port() -> int:
    """Return a TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def make_tls(folder: Path) -> dict[str, str]:
    """Make a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attestation service")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, SHA256())
    )
    (folder / "tls.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"certificate": "tls.pem", "key": "tls.key"}


def write_settings(folder: Path, **changes: object) -> Path:
    """Write settings for ``folder``, with every path relative to it."""
    document: dict[str, object] = {
        "spool": "spool.sqlite",
        "images": "images",
        "tls": make_tls(folder),
        "keystore": "keystore",
        "ageIdentity": "age-identity",
        "evidenceKey": "evidence",
        "credentials": "credentials.json",
        "imagePort": free_port(),
        "attestationPort": free_port(),
        "listeners": [
            {"kind": "airlock", "node": "n1", "address": N1},
            {"kind": "airlock", "node": "n2", "address": N2},
            {"kind": "enclave", "network": "blue-net", "address": NETWORK},
        ],
        **changes,
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


class ServiceProcess:
    """``serve`` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Start it in ``folder`` and wait until it listens."""
        (folder / "images").mkdir(exist_ok=True)
        self.folder = folder
        self.settings = write_settings(folder)
        document = json.loads(self.settings.read_text(encoding="utf-8"))
        self.image_port: int = document["imagePort"]
        self.port: int = document["attestationPort"]
        self.log = folder / "service.log"
        self.start()

    def start(self) -> None:
        """Start the process and wait until it says that it listens."""
        known = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", PROGRAM],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"RINGFENCE_SETTINGS": str(self.settings), "PATH": ""},
                cwd=Path(__file__).resolve().parents[2],
            )
        end_s = time.monotonic() + _START_S
        while b'"listening"' not in self.log.read_bytes()[known:]:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            assert time.monotonic() < end_s, "the service does not start"
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=_START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=_START_S)
            raise

    def node(self, address: str = N1, *, tpm: SoftTpm | None = None) -> NodeClient:
        """Return a client that calls the service's ``address``."""
        return NodeClient(address=address, port=self.port, image_port=self.image_port, tpm=tpm or SoftTpm("n1"))


@dataclass(kw_only=True)
class NodeClient:
    """What a node would say; every call is a connection of its own, as over a bad cable."""

    address: str
    port: int
    image_port: int
    tpm: SoftTpm
    session: str = ""

    def call(
        self, method: str, path: str, body: object = None, *, raw: bytes | None = None, timeout_s: float = 15.0
    ) -> tuple[int, dict[str, Any]]:
        """Send a request and return status and answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.address, self.port, timeout=timeout_s, context=context)
        try:
            connection.request(method, path, body=raw if raw is not None else body and json.dumps(body).encode())
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()

    def get(self, path: str, **query: str) -> tuple[int, dict[str, Any]]:
        """Send a GET request."""
        return self.call("GET", f"{path}?{urlencode(query)}")

    def post(self, path: str, **body: object) -> tuple[int, dict[str, Any]]:
        """Send a POST request."""
        return self.call("POST", path, body)

    def boot_file(self, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask for the image like firmware does; header names with underscores for dashes."""
        connection = http.client.HTTPConnection(self.address, self.image_port, timeout=15)
        try:
            connection.request(method, "/boot.efi", headers={k.replace("_", "-"): v for k, v in headers.items()})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def enrol(self) -> tuple[int, dict[str, Any]]:
        """Enrol with this node's EK and AK; the session is remembered."""
        status, answer = self.post(
            "/v1/enrol", ek_certificate=encode(self.tpm.ek_certificate), ak_public=encode(self.tpm.ak_public)
        )
        self.session = answer.get("session", "")
        return status, answer

    def open(self) -> dict[str, Any]:
        """Enrol and activate; return the first challenge."""
        status, answer = self.enrol()
        assert status == 200
        blob, encrypted = (base64.b64decode(answer[name]) for name in ("credential_blob", "encrypted_secret"))
        secret = self.tpm.activate(blob, encrypted)
        status, challenge = self.post("/v1/activate", session=self.session, secret=encode(secret))
        assert status == 200
        return challenge

    def evidence(self, challenge: dict[str, Any]) -> dict[str, Any]:
        """Return the evidence message for ``challenge``."""
        extra = qualifying_data(
            nonce=bytes.fromhex(challenge["nonce"]),
            node=challenge["node"],
            enclave=challenge["enclave"],
            commit=challenge["commit"],
            ephemeral=EPHEMERAL,
        )
        quote, signature = self.tpm.quote(extra, challenge["pcrs"])
        return {
            "session": self.session,
            "nonce": challenge["nonce"],
            "quote": encode(quote),
            "signature": encode(signature),
            "pcrs": {str(pcr): self.tpm.pcrs[pcr].hex() for pcr in challenge["pcrs"]},
            "event_log": encode(self.tpm.event_log),
            "ephemeral": EPHEMERAL,
        }

    def prove(self, challenge: dict[str, Any]) -> bytes:
        """Hand in evidence and return its nonce."""
        assert self.call("POST", "/v1/evidence", self.evidence(challenge)) == (202, {})
        return bytes.fromhex(challenge["nonce"])

    def verdict(self, nonce: bytes, *, wait: str = "0") -> tuple[int, dict[str, Any]]:
        """Ask what became of the evidence."""
        return self.get("/v1/verdict", session=self.session, nonce=nonce.hex(), wait=wait)


def encode(data: bytes) -> str:
    """Return base64 text."""
    return base64.b64encode(data).decode("ascii")


def put_image(folder: Path, content: bytes) -> str:
    """Put an image into the store and return its digest."""
    found = hashlib.sha256(content).hexdigest()
    (folder / "images" / f"{found}.efi").write_bytes(content)
    return f"sha256:{found}"
