"""The facts that a boot can prove, and assertions over them as they stand in a policy.

A fact has a stable name, one kind of value, and the PCRs whose events prove it; which PCR means what is the
firmware family's business, so a fact exists for some families only. An assertion is checked against this table when
it is read: the fact is known, and the operator and its value fit the fact's kind. What a node's log proves is found
in ``attest.facts``.

Source: TCG PC Client Platform Firmware Profile 1.06, 3.3.4; the UAPI group's Linux TPM PCR registry; coreboot's
"Measured Boot"; Heads' "TPM usage"; u-root's ``pkg/crypto``; Intel TXT MLE Developer's Guide, 1.10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from reconciler.model.base import Name, Value
from reconciler.model.families import Family, Overlay


class Kind(StrEnum):
    """The kind of a fact's value, by the name that the documentation uses."""

    FLAG = "flag"
    NUMBER = "number"
    TEXT = "text"
    TEXTS = "texts"
    DIGEST = "digest"
    DIGESTS = "digests"
    DIGEST_SET = "digest set"
    DIGEST_MAP = "digest map"
    LEVELS = "levels"


class Proof(StrEnum):
    """How a fact is known to be what was measured."""

    DATA = "data"
    DIGEST = "digest"
    ORDER = "order"
    START = "start"


PROOFS: Mapping[Proof, str] = MappingProxyType(
    {
        Proof.DATA: "the event's digest is computed again from its data",
        Proof.DIGEST: "the value is the digest itself, or a known text's digest is compared",
        Proof.ORDER: "the value is the digest itself; what it is of follows from the order of the PCR's events",
        Proof.START: "the value that the PCR started from, the only one that leads to its quoted value",
    }
)
"""What each proof means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactKind:
    """One row of the table: what a fact is called, what it is, and where it comes from."""

    name: str
    kind: Kind
    pcrs: tuple[int, ...]
    proof: Proof
    meaning: str
    scopes: frozenset[Family | Overlay]


_UEFI = frozenset({Family.UEFI})
_PLATFORM = frozenset({Family.UEFI, Family.LINUXBOOT})
_GRUB = frozenset({Family.UEFI, Family.COREBOOT})
_COREBOOT = frozenset({Family.COREBOOT})
_CBFS = frozenset({Family.COREBOOT, Family.HEADS})
_HEADS = frozenset({Family.HEADS})
_LINUXBOOT = frozenset({Family.LINUXBOOT})
_TXT = frozenset({Overlay.TBOOT, Overlay.TBOOT_DA})
_TBOOT = frozenset({Overlay.TBOOT})
_TBOOT_DA = frozenset({Overlay.TBOOT_DA})

_Scopes = frozenset[Family] | frozenset[Overlay]
_Row = tuple[str, Kind, tuple[int, ...], Proof, _Scopes, str]

_ROWS: tuple[_Row, ...] = (
    ("startupLocality", Kind.NUMBER, (0,), Proof.START, _PLATFORM, "the locality that started the TPM: 0, 3 or 4"),
    ("hcrtm", Kind.FLAG, (0,), Proof.START, _PLATFORM, "the hardware measured before the TPM was started"),
    ("bootGuard", Kind.FLAG, (0,), Proof.START, _PLATFORM, "Boot Guard measured the S-CRTM, from locality 3"),
    ("scrtmVersion", Kind.TEXT, (0,), Proof.DATA, _PLATFORM, "the S-CRTM's version; in hexadecimal if it is no text"),
    ("firmwareBlobs", Kind.DIGESTS, (0,), Proof.DIGEST, _PLATFORM, "all that was measured whose content is not logged"),
    ("firmwareConfig", Kind.DIGESTS, (1,), Proof.DIGEST, _UEFI, "the platform's configuration; as a rule a node's own"),
    ("drivers", Kind.DIGESTS, (2,), Proof.DIGEST, _UEFI, "drivers and option ROMs, by Authenticode digest"),
    ("driverConfig", Kind.DIGESTS, (3,), Proof.DIGEST, _UEFI, "the configuration of drivers and option ROMs"),
    ("bootApplications", Kind.DIGESTS, (4,), Proof.DIGEST, _UEFI, "what was started, in order, by Authenticode digest"),
    ("gpt", Kind.DIGESTS, (5,), Proof.DIGEST, _UEFI, "partition tables and other configuration of the boot manager"),
    ("gptDisks", Kind.TEXTS, (5,), Proof.DATA, _UEFI, "the GUIDs of the disks whose partition table was measured"),
    ("exitBootServices", Kind.FLAG, (5,), Proof.DIGEST, _UEFI, "the operating system took over from the firmware"),
    ("secureBoot", Kind.FLAG, (7,), Proof.DATA, _UEFI, "Secure Boot is on"),
    ("pk", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "the platform key"),
    ("kek", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "the keys that may change db and dbx"),
    ("db", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "certificates and hashes that may be started"),
    ("dbx", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "certificates and hashes that may not be started"),
    ("authoritiesBeforeSeparator", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "what vouched for drivers"),
    ("authoritiesAfterSeparator", Kind.DIGEST_SET, (7,), Proof.DATA, _UEFI, "what vouched for boot applications"),
    ("sbatLevel", Kind.NUMBER, (7,), Proof.DATA, _UEFI, "the date of shim's SBAT revocations, as a number"),
    ("sbatGenerations", Kind.LEVELS, (7,), Proof.DATA, _UEFI, "the least generation that SBAT accepts, by component"),
    ("uefiDebugMode", Kind.FLAG, (7,), Proof.DIGEST, _UEFI, "the firmware says that a debugger may be attached"),
    ("dmaProtectionDisabled", Kind.FLAG, (7,), Proof.DIGEST, _UEFI, "the firmware says that devices may read memory"),
    ("kernelCommandLine", Kind.TEXT, (8,), Proof.DATA, _GRUB, "the kernel and its command line, as the loader gave it"),
    ("grubCommands", Kind.TEXTS, (8,), Proof.DATA, _GRUB, "the commands that GRUB ran, in order"),
    ("loadedFiles", Kind.DIGESTS, (9,), Proof.DIGEST, _GRUB, "what a loader read and a kernel was given, in order"),
    ("loadOptions", Kind.DIGEST, (9,), Proof.ORDER, _UEFI, "a kernel's command line in UTF-16 with its NUL"),
    ("initrd", Kind.DIGESTS, (9,), Proof.ORDER, _UEFI, "the initial file systems that a kernel loaded itself"),
    ("ukiSections", Kind.DIGEST_MAP, (11,), Proof.DIGEST, _UEFI, "the sections of a unified kernel image"),
    ("stubParameters", Kind.DIGESTS, (12,), Proof.DIGEST, _UEFI, "command line, credentials and more given to a stub"),
    ("stubCommandLine", Kind.TEXT, (12,), Proof.DATA, _UEFI, "the command line given to a stub besides its own"),
    ("mokState", Kind.DIGESTS, (14,), Proof.DIGEST, _UEFI, "all of shim's variables, in order"),
    ("mokList", Kind.DIGEST, (14,), Proof.ORDER, _UEFI, "the machine owner's keys"),
    ("mokListX", Kind.DIGEST, (14,), Proof.ORDER, _UEFI, "what the machine owner forbids"),
    ("mokListTrusted", Kind.DIGEST, (14,), Proof.ORDER, _UEFI, "whether the kernel trusts the machine owner's keys"),
    ("cbfsContents", Kind.DIGESTS, (2,), Proof.DIGEST, _CBFS, "the stages from coreboot's first to the payload"),
    ("runtimeData", Kind.DIGESTS, (3,), Proof.DIGEST, _COREBOOT, "what coreboot reads that changes at run time"),
    ("bootPath", Kind.DIGESTS, (4,), Proof.DIGEST, _HEADS, "the way that the boot took"),
    ("recoveryEntered", Kind.FLAG, (4,), Proof.DIGEST, _HEADS, "somebody entered the recovery shell"),
    ("kernelModules", Kind.DIGESTS, (5,), Proof.DIGEST, _HEADS, "the modules that were loaded, in order"),
    ("luksHeaders", Kind.DIGESTS, (6,), Proof.DIGEST, _HEADS, "the headers of the encrypted disks"),
    ("cbfsUserFiles", Kind.DIGESTS, (7,), Proof.DIGEST, _HEADS, "keys and settings that users put into the ROM"),
    ("nvramVariables", Kind.DIGESTS, (9,), Proof.DIGEST, _LINUXBOOT, "variables that the boot loader read"),
    ("measuredFiles", Kind.DIGESTS, (7,), Proof.DIGEST, _LINUXBOOT, "kernels, file systems and other files, in order"),
    ("bootConfigs", Kind.DIGESTS, (8,), Proof.DIGEST, _LINUXBOOT, "the boot loader's configurations"),
    ("txtLaunch", Kind.FLAG, (17, 18, 19, 20, 21, 22), Proof.START, _TXT, "there was a dynamic launch"),
    ("sinit", Kind.DIGEST, (17,), Proof.ORDER, _TBOOT, "the SINIT module and what it measured"),
    ("tbootPolicy", Kind.DIGEST, (17,), Proof.ORDER, _TBOOT, "tboot's policy"),
    ("mle", Kind.DIGEST, (18,), Proof.ORDER, _TBOOT, "the measured launch environment, tboot itself"),
    ("tbootFirstModule", Kind.DIGEST, (18,), Proof.ORDER, _TBOOT, "the first module: kernel or hypervisor"),
    ("tbootModules", Kind.DIGESTS, (19,), Proof.DIGEST, _TBOOT, "the other modules, in order"),
    ("txtDetails", Kind.DIGESTS, (17,), Proof.DIGEST, _TBOOT_DA, "the details of the launch"),
    ("txtAuthorities", Kind.DIGESTS, (18,), Proof.DIGEST, _TBOOT_DA, "what vouched for the launch"),
)

FACTS: Mapping[str, FactKind] = MappingProxyType(
    {
        name: FactKind(name=name, kind=kind, pcrs=pcrs, proof=proof, meaning=meaning, scopes=frozenset(scopes))
        for name, kind, pcrs, proof, scopes, meaning in _ROWS
    }
)
"""Every fact, by name."""

Operand = bool | int | str | tuple[str, ...] | dict[str, int] | dict[str, str]
"""What a fact is compared with: as many shapes as there are kinds."""

OPERATORS: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        Kind.FLAG: ("equals",),
        Kind.NUMBER: ("equals", "atLeast", "absent"),
        Kind.TEXT: ("equals", "within", "absent"),
        Kind.TEXTS: ("equals", "within", "includes", "absent"),
        Kind.DIGEST: ("equals", "within", "absent"),
        Kind.DIGESTS: ("equals", "within", "includes", "absent"),
        Kind.DIGEST_SET: ("equals", "within", "includes", "absent"),
        Kind.DIGEST_MAP: ("equals", "includes", "absent"),
        Kind.LEVELS: ("equals", "atLeast", "absent"),
    }
)
"""The operators that fit each kind, by the names that they have in YAML."""

_SHAPES: Mapping[Kind, tuple[type, str]] = MappingProxyType(
    {
        Kind.FLAG: (bool, "true or false"),
        Kind.NUMBER: (int, "a whole number"),
        Kind.TEXT: (str, "a text"),
        Kind.TEXTS: (tuple, "a list of texts"),
        Kind.DIGEST: (str, "a digest in lower-case hexadecimal"),
        Kind.DIGESTS: (tuple, "a list of digests in lower-case hexadecimal"),
        Kind.DIGEST_SET: (tuple, "a list of digests in lower-case hexadecimal"),
        Kind.DIGEST_MAP: (dict, "a map of names to digests in lower-case hexadecimal"),
        Kind.LEVELS: (dict, "a map of names to whole numbers"),
    }
)
_LISTS = {Kind.TEXT: Kind.TEXTS, Kind.DIGEST: Kind.DIGESTS}
_OF_DIGESTS = frozenset({Kind.DIGEST, Kind.DIGESTS, Kind.DIGEST_SET, Kind.DIGEST_MAP})
_DIGEST = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})")


def is_fact_of(name: str, *, scopes: frozenset[Family | Overlay]) -> bool:
    """Return whether the fact ``name`` exists on a machine of these ``scopes``: its family and its overlays."""
    return not FACTS[name].scopes.isdisjoint(scopes)


def _operand(value: object) -> object:
    """Say in one sentence what no operand is; without it every shape of the union would complain."""
    is_texts = isinstance(value, list | tuple) and all(isinstance(entry, str) for entry in value)
    is_map = isinstance(value, dict) and (
        all(isinstance(entry, str) for entry in value.values()) or all(type(entry) is int for entry in value.values())
    )
    if not (value is None or is_texts or is_map or isinstance(value, bool | int | str)):
        raise ValueError(
            "a fact is compared with true or false, a whole number, a text, a list of texts, "
            "or a map of names to texts or to whole numbers"
        )
    return tuple(value) if isinstance(value, list) else value


class FactAssertion(Value):
    """What a policy says of one fact, by exactly one operator.

    ``equals``: this value; a list in this order, unless the fact is a set. ``within``: nothing else than these.
    ``includes``: at least these. ``at_least``: this number or a greater one. ``absent``: nothing of it was measured.
    Without ``families`` and ``profiles`` it is asked of every node; a node of a family that does not have the fact is
    then refused.
    """

    fact: str
    """The fact's name; docs/facts.md lists all."""
    equals: Annotated[Operand | None, BeforeValidator(_operand)] = None
    """It is this value; a list in this order, unless the fact is a set."""
    within: tuple[str, ...] | None = None
    """It is nothing else than these."""
    includes: Annotated[Operand | None, BeforeValidator(_operand)] = None
    """It is at least these."""
    at_least: Annotated[Operand | None, BeforeValidator(_operand)] = None
    """It is this number or a greater one."""
    absent: Literal[True] | None = None
    """Nothing of it was measured."""
    families: Annotated[tuple[Family, ...], Field(min_length=1)] | None = None
    """The firmware families that it is asked of; without it, all."""
    profiles: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The firmware profiles that it is asked of; without it, all."""

    @property
    def operator(self) -> tuple[str, Operand]:
        """Return the operator's name in YAML, and what the fact is compared with."""
        (given,) = self._given()
        return given

    def _given(self) -> list[tuple[str, Operand]]:
        operators = {
            "equals": self.equals,
            "within": self.within,
            "includes": self.includes,
            "atLeast": self.at_least,
            "absent": self.absent,
        }
        return [(name, operand) for name, operand in operators.items() if operand is not None]

    @model_validator(mode="after")
    def _fits_the_fact(self) -> FactAssertion:
        known = FACTS.get(self.fact)
        if known is None:
            near = get_close_matches(self.fact, FACTS, n=1)
            raise ValueError(f"there is no fact {self.fact!r}" + (f"; is it {near[0]}?" if near else ""))
        given = self._given()
        if len(given) != 1:
            raise ValueError(f"give exactly one operator for {self.fact}: {', '.join(OPERATORS[known.kind])}")
        operator, operand = given[0]
        if operator not in OPERATORS[known.kind]:
            fitting = ", ".join(OPERATORS[known.kind])
            raise ValueError(f"{self.fact} is a {known.kind} and takes {fitting}, not {operator}")
        if operator != "absent":
            _check_operand(operand, operator=operator, fact=known)
        for family in self.families or ():
            if family not in known.scopes and known.scopes.isdisjoint(Overlay):
                raise ValueError(f"family {family} has no fact {self.fact}")
        return self


def _check_operand(operand: Operand, *, operator: str, fact: FactKind) -> None:
    kind = _LISTS.get(fact.kind, fact.kind) if operator == "within" else fact.kind
    shape, wording = _SHAPES[kind]
    entries = list(operand.values()) if isinstance(operand, dict) else operand
    texts = [entries] if isinstance(entries, str | int) else list(entries)
    is_of_shape = type(operand) is shape
    if kind in _OF_DIGESTS:
        is_of_shape = is_of_shape and all(isinstance(text, str) and _DIGEST.fullmatch(text) for text in texts)
    if kind is Kind.LEVELS:
        is_of_shape = is_of_shape and all(isinstance(entry, int) for entry in texts)
    if not is_of_shape:
        raise ValueError(f"{operator} of {fact.name} is {wording}")
    if operator in {"includes", "atLeast"} and not texts:
        raise ValueError(f"{operator} of {fact.name} is empty, and would hold of anything")
    is_unordered = fact.kind is Kind.DIGEST_SET or operator in {"within", "includes"}
    if is_unordered and isinstance(operand, tuple) and len(set(operand)) != len(operand):
        raise ValueError(f"{operator} of {fact.name} names something twice")
