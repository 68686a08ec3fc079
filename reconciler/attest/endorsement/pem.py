"""PEM blocks: what stands between ``-----BEGIN`` and ``-----END``, and nothing else.

Text outside the blocks is left alone, as vendors' bundles carry comments. A TRUSTED
CERTIFICATE of OpenSSL is a certificate followed by settings, which are cut: that it
stands among the roots is what makes it an anchor. A block that is not base64 is told
as such, never skipped in silence.

Source: RFC 7468, 2 to 6.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.attest.reader import MalformedError

CERTIFICATES = frozenset({b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"})
LISTS = frozenset({b"X509 CRL", b"CRL"})

_BEGIN = b"-----BEGIN "
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s([A-Za-z0-9+/=\s]*)-----END \1-----")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One PEM block: its label, and its content still in base64."""

    label: bytes
    body: bytes

    def decode(self, *, what: str) -> bytes:
        """Return the block's bytes; raise MalformedError if they are not base64."""
        try:
            return base64.b64decode(b"".join(self.body.split()), validate=True)
        except binascii.Error as error:
            raise MalformedError(what, "its PEM block is not base64") from error


def is_pem(data: bytes) -> bool:
    """Return whether ``data`` is text with the start of a PEM block; DER of more than 127 bytes is no text."""
    is_der = data[:1] == b"\x30" and data[1:2] >= b"\x80"
    return not is_der and _BEGIN in data


def blocks(data: bytes, *, labels: frozenset[bytes]) -> Iterator[Block]:
    """Yield the blocks of ``data`` with one of ``labels``."""
    for label, body in _BLOCK.findall(data):
        if label in labels:
            yield Block(label=label, body=body)


def count_of_starts(data: bytes) -> int:
    """Return how many blocks of any label begin in ``data``, whether or not they end."""
    return data.count(_BEGIN)
