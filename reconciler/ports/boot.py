"""The boot port: what the boot service serves to whom, in which attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from reconciler.model.observed import Assignment


class BootService(Protocol):
    """The image service, and with it the attempts that the attestation service admits sessions to.

    TransientError: the service's store is busy or away. InputError: the image is not there, or its bytes do not
    have the digest that was asked for.
    """

    def assignments(self) -> Mapping[str, Assignment]:
        """Return what is served now, by node."""
        ...

    def assign(self, node: str, *, enclave: str, image: str, pcrs: tuple[int, ...]) -> Assignment:
        """Serve ``image`` to ``node`` in a fresh attempt; earlier sessions of the node end here.

        ``image`` is a digest (``sha256:…``); the stored bytes are hashed before they are served.
        """
        ...

    def withdraw(self, node: str) -> None:
        """Serve nothing to ``node`` any more and end its sessions. Nothing assigned: nothing happens."""
        ...
