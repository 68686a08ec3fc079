"""The seed on the command line, for a first look: ``tor=tcp:10.0.0.1:6640,bridge=br0`` and ``bmc/n1=10.0.3.7:623``."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from reconciler.daemon.adopt.seed import Seed, SeedNode, SeedSwitch
from reconciler.errors.taxonomy import InputError, cut

_BMC = re.compile(r"(?P<address>\[[0-9A-Fa-f:]+\]|[^:]+)(?::(?P<port>[0-9]{1,5}))?")


def add_switch(seed: Seed, word: str) -> Seed:
    """Return ``seed`` with one more switch: ``NAME=ADDRESS``, perhaps with ``,bridge=…,ports=…,control=…``."""
    name, _, rest = word.partition("=")
    address, *options = rest.split(",")
    values: dict[str, Any] = {"name": name, "address": address}
    for option in options:
        key, _, value = option.partition("=")
        values[key] = [*values.get("ports", []), value] if key == "ports" else value
    try:
        switch = SeedSwitch.model_validate_json(json.dumps(values), by_alias=True, by_name=False)
    except ValidationError as error:
        hint = "write --switch NAME=tcp:HOST:PORT,bridge=BRIDGE"
        raise _refusal("--switch", word, error, hint=hint) from None
    return seed.model_copy(update={"switches": (*seed.switches, switch)})


def add_bmc(seed: Seed, word: str) -> Seed:
    """Return ``seed`` with one more node, known by its BMC: ``CREDENTIALS=ADDRESS[:PORT]``, perhaps with options.

    Options are those of a BMC in a node's document: ``,driver=redfish,certificate=sha256:…``.
    """
    credentials, found, where = word.partition("=")
    hint = "write --bmc CREDENTIALS=ADDRESS[:PORT], as in: --bmc bmc/n1=10.0.3.7"
    bmc = bmc_of(where) if found and credentials else None
    if bmc is None:
        raise InputError(f"--bmc {cut(word)}", "is no BMC", reason="SeedMalformed", hint=hint)
    values = {"name": credentials.rpartition("/")[2], "bmc": {**bmc, "credentials": credentials}}
    try:
        node = SeedNode.model_validate_json(json.dumps(values), by_alias=True, by_name=False)
    except ValidationError as error:
        raise _refusal("--bmc", word, error, hint=hint) from None
    return seed.model_copy(update={"nodes": (*seed.nodes, node)})


def bmc_of(word: str) -> dict[str, Any] | None:
    """Return what ``ADDRESS[:PORT][,KEY=VALUE…]`` says of a BMC, as a document has it; None if it is no such word."""
    where, *options = word.split(",")
    found = _BMC.fullmatch(where)
    if found is None:
        return None
    bmc: dict[str, Any] = {"address": found["address"]}
    if found["port"]:
        bmc["port"] = int(found["port"])
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key in bmc:
            return None
        bmc[key] = value
    return bmc


def _refusal(option: str, word: str, error: ValidationError, *, hint: str) -> InputError:
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    message = f"{'.'.join(map(str, fault['loc']))}: {cut(fault['msg']).lower()}"
    return InputError(f"{option} {cut(word)}", message, reason="SeedMalformed", hint=hint)
