"""Which key a command signs its commit with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Key = Annotated[
    Path | None, typer.Option("--key", help="The SSH key to sign with. Default: commit_key of the settings.")
]


def chosen_key(key: Path | None, *, settings: Path | None) -> Path:
    """Return ``key``, or the one that the settings name; InputError if neither is there."""
    from reconciler.daemon.settings import load_settings
    from reconciler.errors.taxonomy import InputError

    found = key or load_settings(settings).commit_key
    if found is None:
        hint = "give --key FILE, or commit_key in the settings"
        raise InputError("signing key", "is not named", reason="NoSigningKey", hint=hint)
    return found
