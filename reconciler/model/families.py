"""Firmware families and overlays: apart from the facts, because commands that name them start without pydantic."""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """What a machine's PCRs mean."""

    UEFI = "uefi"
    COREBOOT = "coreboot"
    HEADS = "heads"
    LINUXBOOT = "linuxboot"


class Overlay(StrEnum):
    """What is measured besides, whatever the family: a dynamic launch, by either of tboot's maps."""

    TBOOT = "tboot"
    TBOOT_DA = "tboot-da"
