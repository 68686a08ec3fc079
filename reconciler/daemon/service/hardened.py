"""How our HTTP servers are set up, all alike: bounded heads, no word about what they are, TLS 1.2 at least."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from reconciler.daemon.service.connection import GuardedProtocol
from reconciler.daemon.settings import TlsFiles
from reconciler.errors.taxonomy import InputError

_GRACE_S = 2
_HEADER_LIMIT = 16 * 1024


def server_config(
    routes: Sequence[Route], *, tls: TlsFiles | None, keep_alive_s: int, most: int | None = None
) -> uvicorn.Config:
    """Return the loaded set-up of a server of ``routes`` with at most ``most`` requests at once.

    Raise InputError if certificate or key cannot be used.
    """
    config = uvicorn.Config(
        Starlette(routes=routes),
        loop="asyncio",
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=most,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=_GRACE_S,
        h11_max_incomplete_event_size=_HEADER_LIMIT,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        subject = f"tls {tls.certificate if tls else ''}"
        hint = "see tls in the settings"
        raise InputError(subject, "certificate or key cannot be used", reason="TlsFiles", hint=hint) from error
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
