"""``ringfence webhook``: the process that forges call. It holds the webhook's secret and no other, and opens no key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from reconciler.cli.operate import SettingsFile
from reconciler.errors.taxonomy import InputError

if TYPE_CHECKING:
    from reconciler.daemon.settings import WebhookSettings

_SHORTEST = 16
"""Characters of a secret; fewer could be guessed by whoever sees one signed call."""


def webhook(settings: SettingsFile = None) -> None:
    """Wake the reconciler when a forge calls. Listens where the settings say; stops on SIGTERM and SIGINT."""
    import contextlib
    import socket

    import uvicorn
    from starlette.applications import Starlette

    from reconciler.daemon.service.connection import GuardedProtocol
    from reconciler.daemon.settings import load_settings, read_private
    from reconciler.daemon.webhook import Webhook
    from reconciler.drivers.spool.bell import ForgeBell
    from reconciler.drivers.spool.database import Database

    found = load_settings(settings)
    place = found.webhook
    if place is None:
        hint = "add webhook, with address, port and secret"
        raise InputError("settings", "say nothing of a webhook", reason="SettingsMissing", hint=hint)
    secret = read_private(place.secret, what="webhook secret")
    if len(secret.strip()) < _SHORTEST:
        hint = "openssl rand -hex 32"
        message = f"has fewer than {_SHORTEST} characters"
        raise InputError(f"webhook secret {place.secret}", message, reason="WebhookSecret", hint=hint)
    family = socket.AF_INET6 if place.address.version == 6 else socket.AF_INET  # noqa: PLR2004  # IPv6
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.create_server((str(place.address), place.port), family=family))
        except OSError as error:
            message = f"cannot listen on {place.address} port {place.port}: {error.strerror}"
            raise InputError("webhook", message, reason="WebhookAddress", hint="see webhook in the settings") from error
        database = stack.enter_context(contextlib.closing(Database(found.spool)))
        receiver = Webhook(secret=secret, ring=ForgeBell(database).ring)
        config = uvicorn.Config(
            Starlette(routes=receiver.routes()),
            loop="asyncio",
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=64,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=16 * 1024,
            ssl_certfile=None if place.tls is None else place.tls.certificate,
            ssl_keyfile=None if place.tls is None else place.tls.key,
        )
        _load(config, place)
        typer.echo(f"listening on {place.address} port {listener.getsockname()[1]}", err=True)
        uvicorn.Server(config).run(sockets=[listener])


def _load(config: object, place: WebhookSettings) -> None:
    import ssl

    try:
        config.load()  # type: ignore[attr-defined]  # uvicorn's; importing it for a name costs a tenth of a second
    except (OSError, ssl.SSLError) as error:
        subject = f"webhook certificate {place.tls.certificate if place.tls else ''}"
        raise InputError(subject, "or its key cannot be used", reason="TlsFiles", hint="see webhook.tls") from error


COMMANDS: tuple[Callable[..., None], ...] = (webhook,)
"""What ``ringfence`` takes from here."""
