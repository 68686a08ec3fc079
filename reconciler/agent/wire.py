"""The client's side of the attestation service: JSON over TLS to a pinned certificate.

Rules: nothing is sent before the SHA-256 of the peer's certificate was compared with
the pin; every call has a deadline; answers are bounded. A refusal (403) is a
TrustError, anything that may pass by itself a TransientError. The certificate's
chain, name and dates are not checked: the pin, which is measured, replaces them.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from reconciler.errors.taxonomy import InvariantError, TransientError, TrustError, cut

_ANSWER_LIMIT = 1024 * 1024
_TIMEOUT_S = 15.0


class Wire:
    """One connection to the service, kept open between calls and reopened when it breaks."""

    def __init__(self, *, pin: str, port: int) -> None:
        """Remember the pin; no connection is made before an address is known."""
        self._pin = bytes.fromhex(pin)
        self._port = port
        self._host = ""
        self._connection: http.client.HTTPSConnection | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.check_hostname = False  # the pin says who it is
        self._context.verify_mode = ssl.CERT_NONE  # the same

    def use(self, host: str) -> None:
        """Talk to this address from now on."""
        self.close()
        self._host = host

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def post(self, path: str, body: Mapping[str, object], *, timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """Send a JSON object and return the one that comes back."""
        encoded = json.dumps(body, separators=(",", ":")).encode("utf-8")
        return self._call("POST", path, encoded, timeout_s=timeout_s)

    def get(self, path: str, query: Mapping[str, str], *, wait_s: float = 0.0) -> dict[str, Any]:
        """Ask for a JSON object; ``wait_s`` is how long the service was asked to hold the answer back."""
        return self._call("GET", f"{path}?{urlencode(query)}", None, timeout_s=_TIMEOUT_S + wait_s)

    def _call(self, method: str, path: str, body: bytes | None, *, timeout_s: float) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            connection = self._connected()
            if connection.sock is not None:
                connection.sock.settimeout(timeout_s)
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            status, answer = response.status, response.read(_ANSWER_LIMIT + 1)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise TransientError("service", cut(f"{method} failed: {error!r}"), reason="ServiceUnreachable") from error
        if len(answer) > _ANSWER_LIMIT:
            self.close()
            raise TransientError("service", "sent an answer over 1 MiB", reason="AnswerTooLong")
        return _parse(status, answer)

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is not None and self._connection.sock is None:
            self.close()  # the service closed it after its last answer
        if self._connection is None:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_S, context=self._context)
            connection.auto_open = 0  # or http.client would reconnect by itself, past the pin
            connection.connect()
            certificate = connection.sock.getpeercert(binary_form=True) or b""
            if not hmac.compare_digest(hashlib.sha256(certificate).digest(), self._pin):
                connection.close()
                raise TrustError("service", "its certificate is not the one pinned", reason="PinMismatch")
            self._connection = connection
        return self._connection


def _parse(status: int, answer: bytes) -> dict[str, Any]:
    if status == HTTPStatus.FORBIDDEN:
        raise TrustError("service", "refused", reason="Refused")
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        raise InvariantError("service", f"says that our request is malformed ({status})", reason="RequestMalformed")
    if status not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
        raise TransientError("service", f"answered {status}", reason="ServiceBusy")
    try:
        document = json.loads(answer)
    except ValueError as error:
        raise TransientError("service", "sent something that is not JSON", reason="AnswerMalformed") from error
    if not isinstance(document, dict):
        raise TransientError("service", "sent JSON that is not an object", reason="AnswerMalformed")
    return document
