"""JSON over HTTPS to a forge: bounded in size, time and tries.

Rules: a token goes to HTTPS or to this machine only, into a header, and never with a redirect, which is not followed;
answers are cut at a limit; reading and replacing are tried again while the forge is away or busy, making is not; what
the forge says in an error is cut before it is shown. Proxies and certificate files are those of the environment
(``HTTPS_PROXY``, ``SSL_CERT_FILE``), because this runs in other people's CI.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import IO, Any

from reconciler.errors.taxonomy import DeviceError, InputError, RingfenceError, TransientError, cut

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_ANSWER = 16 * 1024 * 1024
_MAX_ERROR = 4096
_TRIES = 4
_LONGEST_PAUSE_S = 30.0
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REPEATED = frozenset({"GET", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: the status, the headers and the document."""

    status: int
    headers: Message
    document: Any


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0913, PLR0917  # urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Follow nothing: a token would go along."""


class Wire:
    """One forge's interface below ``base``."""

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        deadline_s: float = 20.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use ``base`` (``https://forge.example/api/v1``); ``headers`` go with every call."""
        parts = urllib.parse.urlsplit(base)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
        if not is_safe or not parts.hostname or parts.query or parts.username or parts.password:
            hint = "write https://HOST/PATH, as the forge's CI gives it"
            raise InputError(f"forge {cut(parts.hostname or '')}", "has no address", reason="ForgeAddress", hint=hint)
        self._base = base.rstrip("/")
        self._subject = f"forge {parts.hostname}"
        self._headers = {"User-Agent": "ringfence", "Accept": "application/json", **headers}
        self._deadline_s = deadline_s
        self._pause = pause
        self._opener = urllib.request.build_opener(_NoRedirects)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        document: Mapping[str, object] | None = None,
        is_repeatable: bool | None = None,
    ) -> Answer:
        """Return the answer of ``method path``; see ``ports.forge`` for the errors."""
        tries = _TRIES if (method in _REPEATED if is_repeatable is None else is_repeatable) else 1
        url = f"{self._base}{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        data = None if document is None else json.dumps(document).encode()
        for number in range(1, tries + 1):
            try:
                return self._once(method, url, data=data)
            except TransientError as error:
                if number == tries:
                    raise
                self._pause(max(getattr(error, "pause_s", 0.0), min(_LONGEST_PAUSE_S, 2.0 ** (number - 1))))
        raise AssertionError  # pragma: no cover  # the loop returns or raises

    def _once(self, method: str, url: str, *, data: bytes | None) -> Answer:
        headers = {**self._headers, **({"Content-Type": "application/json"} if data is not None else {})}
        request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310  # checked above
        try:
            with self._opener.open(request, timeout=self._deadline_s) as answer:
                body = answer.read(_MAX_ANSWER + 1)
                status, received = answer.status, answer.headers
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise self._away(f"does not answer: {cut(str(reason) or type(error).__name__)}") from error
        if len(body) > _MAX_ANSWER:
            hint = "is this pull request's discussion that long?"
            raise InputError(self._subject, "gives an answer that is too long", reason="ForgeAnswer", hint=hint)
        try:
            return Answer(status=status, headers=received, document=json.loads(body) if body.strip() else None)
        except ValueError as error:
            hint = "does the address lead to the forge's interface, and not to a page?"
            raise InputError(self._subject, "does not answer in JSON", reason="ForgeAnswer", hint=hint) from error

    def _refused(self, error: urllib.error.HTTPError) -> RingfenceError:
        said = f"says {error.code}: {_message(error)}"
        if error.code in _BUSY or (error.code == 403 and error.headers.get("x-ratelimit-remaining") == "0"):  # noqa: PLR2004  # Forbidden
            busy = self._away(said)
            busy.pause_s = _retry_after(error.headers)  # type: ignore[attr-defined]  # for the loop above only
            return busy
        if error.code in {401, 403}:
            hint = "let the token read and write comments and statuses; forges give none of that to a fork's pipeline"
            return DeviceError(self._subject, said, reason="ForgeRefuses", hint=hint)
        if error.code in {404, 410}:
            hint = "see the project, the number and the commit; forges say this as well to those who may not see them"
            return InputError(self._subject, said, reason="ForgeMissing", hint=hint)
        hint = (
            "what it does not take is in its answer"
            if error.code not in range(300, 400)
            else "name the address it points to"
        )
        return InputError(self._subject, said, reason="ForgeAnswer", hint=hint)

    def _away(self, message: str) -> TransientError:
        return TransientError(self._subject, message, reason="ForgeAway", hint="start the job again")


def _message(error: urllib.error.HTTPError) -> str:
    text = error.read(_MAX_ERROR).decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        return cut(text)
    found = document.get("message", document.get("error", "")) if isinstance(document, dict) else text
    return cut(found if isinstance(found, str) else json.dumps(found))


def _retry_after(headers: Message) -> float:
    value = headers.get("Retry-After", "")
    return min(_LONGEST_PAUSE_S, float(value)) if value.isdecimal() else 0.0
