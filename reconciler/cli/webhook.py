"""``ringfence webhook``: the process that forges call. It holds the webhook's secret and no other, and opens no key."""

from __future__ import annotations

from collections.abc import Callable

import typer

from reconciler.cli.operate import SettingsFile
from reconciler.errors.taxonomy import InputError

_SHORTEST = 16
"""Characters of a secret; fewer could be guessed by whoever sees one signed call."""


def webhook(settings: SettingsFile = None) -> None:
    """Wake the reconciler when a forge calls. Listens where the settings say; stops on SIGTERM and SIGINT."""
    import contextlib
    import socket

    import uvicorn

    from reconciler.daemon.service.hardened import server_config
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
        config = server_config(receiver.routes(), tls=place.tls, keep_alive_s=5, most=64)
        typer.echo(f"listening on {place.address} port {listener.getsockname()[1]}", err=True)
        uvicorn.Server(config).run(sockets=[listener])


COMMANDS: tuple[Callable[..., None], ...] = (webhook,)
"""What ``ringfence`` takes from here."""
