"""The attestation service as a node sees it: TLS, the wire protocol, real credentials, real wrapped keys.

What it does next is scripted by verdicts; what the node sent is kept to be looked at.
It judges nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyrage
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from reconciler.attest.endorsement.ek import ek_public_key
from reconciler.attest.tpm.credential import SEED_LABEL, make_credential
from reconciler.attest.tpm.public import name_of, parse_public

b64 = base64.b64decode


@dataclass(kw_only=True)
class NodeService:
    """Its script, and what it saw."""

    pin: str = ""
    port: int = 0
    verdicts: list[str] = field(default_factory=lambda: ["accepted"])
    payloads: dict[str, bytes] = field(default_factory=dict)
    refuse_activation: int = 0
    lose_acknowledgement: bool = False
    pcrs: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11)
    calls: list[str] = field(default_factory=list)
    enrolment: dict[str, Any] = field(default_factory=dict)
    challenges: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[dict[str, str]] = field(default_factory=list)
    secret: bytes = b""

    def answer(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one request."""
        url = urlsplit(target)
        self.calls.append(f"{method} {url.path}")
        match method, url.path:
            case "POST", "/v1/enrol":
                answer = 200, self._enrol(body)
            case "POST", "/v1/activate" if self.refuse_activation or b64(body["secret"]) != self.secret:
                self.refuse_activation -= 1
                answer = 403, {"error": "refused"}
            case ("POST", "/v1/activate") | ("GET", "/v1/challenge"):
                answer = 200, self._challenge()
            case "POST", "/v1/evidence":
                self.evidence.append(body)
                answer = 202, {}
            case "GET", "/v1/verdict":
                assert parse_qs(url.query)["nonce"] == [self.evidence[-1]["nonce"]]
                answer = 200, self._verdict()
            case "POST", "/v1/acknowledge":
                self.receipts.append(body["receipts"])
                answer = (503 if self.lose_acknowledgement else 200), {}
            case "POST", "/v1/confirm":
                answer = 200, {}
            case _:
                answer = 404, {}
        return answer

    def _enrol(self, body: dict[str, Any]) -> dict[str, Any]:
        self.enrolment, self.secret = body, secrets.token_bytes(32)
        oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=SEED_LABEL)
        credential = make_credential(
            ek_public_key(b64(body["ek_certificate"])),
            name_of(parse_public(b64(body["ak_public"]))),
            secret=self.secret,
            seed=secrets.token_bytes(32),
            encrypt=lambda key, seed: key.encrypt(seed, oaep),  # type: ignore[union-attr, call-arg]
        )
        return {
            "session": "5e" * 32,
            "credential_blob": base64.b64encode(credential.credential_blob).decode(),
            "encrypted_secret": base64.b64encode(credential.encrypted_secret).decode(),
        }

    def _challenge(self) -> dict[str, Any]:
        place = {"node": "n1", "enclave": "blue", "commit": "c0" * 20}
        self.challenges.append({"nonce": secrets.token_hex(32), "bank": "sha256", "pcrs": list(self.pcrs)} | place)
        return self.challenges[-1]

    def _verdict(self) -> dict[str, Any]:
        status = self.verdicts.pop(0) if len(self.verdicts) > 1 else self.verdicts[0]
        if status != "accepted":
            return {"status": status}
        recipient = pyrage.x25519.Recipient.from_str(self.evidence[-1]["ephemeral"])
        keys = [
            {"name": name, "version": 1, "wrapped": base64.b64encode(pyrage.encrypt(payload, [recipient])).decode()}
            for name, payload in self.payloads.items()
        ]
        return {"status": "accepted", "keys": keys, "reattest_s": 0.05}


@contextmanager
def serving(service: NodeService, folder: Path) -> Iterator[NodeService]:
    """Serve on a free loopback port with a certificate made now; fill in pin and port."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "attestation service")])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=2))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "service.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = ThreadingHTTPServer(("127.0.0.1", service.port), _handler(service))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service.port = int(server.server_address[1])
    service.pin = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(service: NodeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer goes out in one piece

        def do_GET(self) -> None:
            self._serve({})

        def do_POST(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, body: dict[str, Any]) -> None:
            status, document = service.answer(self.command, self.path, body)
            encoded = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
