"""The forge's doorbell: a signed POST wakes the loop, and carries nothing else.

1. A body is believed by nobody: it is hashed as it arrives and thrown away. What has changed is looked up in git.
2. GitHub, Gitea and Forgejo sign the raw body (HMAC-SHA256, hexadecimal). GitLab's signing token follows the Standard
   Webhooks specification: ``{webhook-id}.{webhook-timestamp}.{body}``, base64. Without one GitLab sends no HMAC but the
   secret itself (``X-Gitlab-Token``): serve that over TLS only.
3. The first of these headers that is there decides; a wrong one is not made good by another. Comparisons take constant
   time.
4. A replayed delivery is a ring too many and costs one look, so no time is compared; rings are at most one a second.
5. Sizes, time for a body and requests in a while are bounded; too many are refused before anything is computed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping

import anyio
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reconciler.errors.taxonomy import TransientError

MAX_BODY = 25 * 1024 * 1024
"""GitHub sends up to 25 MB; nothing of it is kept."""

_BODY_S = 20.0
_RING_S = 1.0
_BURST = 60
_PER_S = 10.0
_PREFIX = "whsec_"


class Seal:
    """What a sender must show: an HMAC over the body under the shared secret, or the secret itself."""

    def __init__(self, secret: bytes, *, headers: Mapping[str, str]) -> None:
        """Begin to check one request; ``headers`` by lower-case name."""
        self._expected: bytes | None = None
        self._hash: hmac.HMAC | None = None
        self._is_base64 = False
        hexadecimal = ("x-hub-signature-256", "x-forgejo-signature", "x-gitea-signature")
        named = next((name for name in hexadecimal if name in headers), None)
        if named is not None:
            self._expected = headers[named].removeprefix("sha256=").lower().encode("utf-8", "replace")
            self._hash = hmac.new(secret, digestmod=hashlib.sha256)
        elif "webhook-signature" in headers:
            self._expected = headers["webhook-signature"].encode("utf-8", "replace")
            self._is_base64 = True
            begin = f"{headers.get('webhook-id', '')}.{headers.get('webhook-timestamp', '')}."
            self._hash = hmac.new(_standard_key(secret), begin.encode("utf-8", "replace"), hashlib.sha256)
        elif "x-gitlab-token" in headers:
            self._expected = headers["x-gitlab-token"].encode("utf-8", "replace")
        self._secret = secret

    def update(self, chunk: bytes) -> None:
        """Take in more of the body."""
        if self._hash is not None:
            self._hash.update(chunk)

    def holds(self) -> bool:
        """Return whether the request is by somebody who has the secret."""
        if self._expected is None:
            return False
        if self._hash is None:
            return hmac.compare_digest(self._expected, self._secret)
        if not self._is_base64:
            return hmac.compare_digest(self._expected, self._hash.hexdigest().encode())
        own = b"v1," + base64.b64encode(self._hash.digest())
        return any(hmac.compare_digest(each, own) for each in self._expected.split()[:8])


def _standard_key(secret: bytes) -> bytes:
    """Return the key of a Standard Webhooks secret: what ``whsec_`` is followed by, from base64; else the secret."""
    text = secret.decode("utf-8", "replace")
    if not text.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret


class Webhook:
    """The one place that forges call."""

    def __init__(self, *, secret: bytes, ring: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        """Ring with ``ring``, which may raise TransientError; ``secret`` is shared with the forge."""
        self._secret = secret.strip()
        self._ring = ring
        self._clock = clock
        self._tokens, self._refilled = float(_BURST), clock()
        self._rung: float | None = None
        self._lock = anyio.Lock()

    def routes(self) -> list[Route]:
        """Return what is served: ``POST /``, and the same below any path that a proxy adds."""
        return [Route("/{path:path}", self.hear, methods=["POST"])]

    async def hear(self, request: Request) -> Response:
        """Answer one delivery: 202 if it woke the loop or the loop was woken just now."""
        if not self._has_room():  # 5
            return PlainTextResponse("too many requests\n", status_code=429, headers={"Retry-After": "5"})
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:12]) > MAX_BODY:
            return PlainTextResponse("too large\n", status_code=413)
        seal = Seal(self._secret, headers=request.headers)  # 2, 3
        try:
            with anyio.fail_after(_BODY_S):
                if not await _read(request.stream(), into=seal):
                    return PlainTextResponse("too large\n", status_code=413)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("too slow\n", status_code=408)
        if not seal.holds():
            return PlainTextResponse("no valid signature\n", status_code=401)
        return await self._wake()

    async def _wake(self) -> Response:
        """Ring, or wait for a ring that comes after this delivery did: one ring serves all who wait."""
        came = self._clock()
        async with self._lock:
            if self._rung is not None and self._rung > came:
                return PlainTextResponse("awake\n", status_code=202)
            if self._rung is not None:
                await anyio.sleep(max(0.0, self._rung + _RING_S - self._clock()))  # 4
            self._rung = self._clock()
            try:
                await run_sync(self._ring)
            except TransientError as error:
                self._rung = None
                return PlainTextResponse(f"{error.message}\n", status_code=503)
        return PlainTextResponse("awake\n", status_code=202)

    def _has_room(self) -> bool:
        now = self._clock()
        self._tokens = min(float(_BURST), self._tokens + (now - self._refilled) * _PER_S)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def _read(chunks: AsyncIterator[bytes], *, into: Seal) -> bool:
    """Hash ``chunks``; return whether they were few enough."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_BODY:
            return False
        into.update(chunk)
    return True
