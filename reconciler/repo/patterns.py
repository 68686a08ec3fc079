"""What the patterns of the model are called, and how to write a value that fits one.

A test holds that every pattern of every schema has its words here: no operator is ever shown an expression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.model.base import NAME_PATTERN


class Words(NamedTuple):
    """What a value is called (``a MAC address``), how to write one, and one that fits where that helps."""

    name: str
    hint: str
    example: str


MAC = r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$"
DIGEST = r"^sha256:[0-9a-f]{64}$"
HEX_DIGEST = r"^[0-9a-f]{64}$"
_TIMES = "30s, 5m, 2h, 30d"

PATTERNS: Mapping[str, Words] = {
    NAME_PATTERN: Words("a name", "use lower-case letters, digits and inner dashes, at most 63", ""),
    MAC: Words("a MAC address", "write it in lower case with colons: 52:54:00:12:34:56", "52:54:00:12:34:56"),
    DIGEST: Words("a SHA-256 digest", "write sha256: and 64 lower-case hexadecimal digits", ""),
    HEX_DIGEST: Words("a SHA-256 digest", "write 64 lower-case hexadecimal digits", ""),
    r"^[A-Za-z0-9._@+-]{1,128}$": Words(
        "a signer", "write the principal as it stands in trust/allowed_signers", "alice@example.org"
    ),
    r"^[A-Za-z0-9._*][A-Za-z0-9._*/-]{0,255}$": Words(
        "a path pattern", "write a path such as tenants/blue/**", "tenants/blue/**"
    ),
    r"^[0-7]$": Words("the number of a firmware PCR", 'quote a number from 0 to 7: "0"', "0"),
    r"^[0-35-7]$": Words(
        "the number of a firmware PCR that may be waived", 'quote a number from 0 to 7, not 4: "1"', "1"
    ),
    r"^[a-z0-9]{1,15}$": Words("an interface name", "use at most 15 lower-case letters and digits", "eno1"),
    r"^([1-9][0-9]{0,5})(s|m|h|d)$": Words(
        "a duration", f"write a whole number and one of s, m, h, d: {_TIMES}", "30s"
    ),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": Words(
        "a time of day", "write hours and minutes in UTC, both with two digits: 02:30", "22:00"
    ),
    r"^[a-z][a-z0-9-]{0,62}$": Words(
        "a branch name", "use lower-case letters, digits and dashes, a letter first", "evidence"
    ),
    r"^(tcp:[0-9a-fA-F.:\[\]]+|(ssh|https):[0-9A-Za-z.:\[\]-]{1,255}):[0-9]{1,5}$": Words(
        "a switch's address",
        "write tcp:, its IP address and the port of its OVSDB: tcp:10.0.0.2:6640; or ssh: or https:, host and port",
        "tcp:10.0.0.2:6640",
    ),
    r"^[A-Za-z0-9]([A-Za-z0-9._/:-]{0,61}[A-Za-z0-9])?$": Words(
        "a switch port", "write it as the switch does, without spaces", "swp7"
    ),
    r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{32,2048}={0,2}$": Words(
        "an SSH host key", "write its type and its key, as ssh-keyscan shows them, without the host", ""
    ),
    r"^[0-9A-Za-z.\[\]:-]{1,255}$": Words(
        "a BMC's address", "write its IP address or host name alone; the port stands in port", "10.0.3.7"
    ),
    r"^[0-9A-Za-z][0-9A-Za-z._-]{0,127}$": Words(
        "the Id of a Redfish system", "write the last part of its path below /redfish/v1/Systems", "System.Embedded.1"
    ),
    r"^[a-z0-9][a-z0-9/._-]{0,127}$": Words(
        "a name of credentials",
        "write a name such as bmc/r3u07; user and password stand on the reconciler's machine, see docs/settings.md",
        "bmc/r3u07",
    ),
}
"""The words of each pattern, by its expression."""


def explain(pattern: str, value: object) -> tuple[str, str]:
    """Return what ``value`` is not, and how to write it; with the value put right where that is certain."""
    if pattern not in PATTERNS:
        return f"of the form {pattern}", "look for a character that does not belong there"
    words = PATTERNS[pattern]
    text = value.strip() if isinstance(value, str) else ""
    right = {
        MAC: text.lower().replace("-", ":"),
        DIGEST: f"sha256:{text.lower().removeprefix('sha256:')}",
        HEX_DIGEST: text.lower().removeprefix("sha256:"),
        NAME_PATTERN: text.lower().replace("_", "-"),
    }.get(pattern, "")
    if not right or not re.fullmatch(pattern, right):
        return words.name, words.hint
    if pattern == NAME_PATTERN:
        return words.name, f"{words.hint}, such as {right}"
    if pattern == MAC:
        return words.name, f"write it in lower case with colons: {right}"
    short = f"{right[: right.find(':') + 7]}…"
    return words.name, f"{words.hint}: {short}"
