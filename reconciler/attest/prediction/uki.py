"""Predict what a unified kernel image makes the firmware, the stub and the kernel measure.

Rules: reference values are derived from the image's bytes alone, never collected
from a machine; an image whose measurements are not known in full is refused with
the reason (another stub, another kernel generation, sections that change what the
kernel is given). All digests are those of the SHA-256 bank, in the order of the log.
It does not predict the firmware's own events in these PCRs: in PCR 4 the boot
attempt's EV_EFI_ACTION and the EV_SEPARATOR come before the image's events.

Seen in logs of OVMF (edk2 2022.11) with systemd-stub 252 and Linux 6.1:
PCR 4   EV_EFI_BOOT_SERVICES_APPLICATION: the UKI, then its inner kernel (the stub
        starts it by LoadImage), each by its Authenticode digest;
PCR 9   EV_EVENT_TAG by the kernel's EFI stub: LoadOptions (the command line in
        UTF-16 with its NUL), then the initrd;
PCR 11  EV_IPL by systemd-stub: name with NUL, then content, of .linux, .osrel,
        .cmdline and .initrd in this order;
PCR 12  nothing, as long as nobody hands the stub another command line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.attest.prediction.pe import EXECUTABLE, PeImage, Section, authenticode_sha256, parse_pe, refuse

_MEASURED = (".linux", ".osrel", ".cmdline", ".initrd")  # systemd-stub 252's own order
_NEEDED = (".linux", ".cmdline", ".initrd")
_STUB_SECTIONS = frozenset({
    ".text", ".rodata", ".data", ".reloc", ".dynamic", ".dynsym", ".dynstr", ".rel", ".rela", ".sbat", ".sdmagic",
})  # fmt: skip
_KNOWN_STUB = re.compile(rb"#### LoaderInfo: systemd-stub 252[.0-9A-Za-z~+-]* ####\0?")
_KERNEL_MAGIC_AT = 0x202  # Linux Documentation/x86/boot.rst, the real-mode kernel header
_KERNEL_VERSION_AT = 0x20E
_FIRST_KERNEL = (6, 1)  # the first whose EFI stub measures its load options
_SHARED = frozenset({4})
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMeasurements:
    """Event digests (hexadecimal SHA-256) that booting an image adds to each PCR, in order.

    ``pcr12`` is empty: the stubs that are known measure into it only what somebody hands them besides the image.
    """

    digest: str
    command_line: str
    pcr4: tuple[str, ...]
    pcr9: tuple[str, ...]
    pcr11: tuple[str, ...]
    pcr12: tuple[str, ...] = ()

    def as_pcrs(self) -> dict[int, tuple[str, ...]]:
        """Return the digests by PCR number."""
        return {4: self.pcr4, 9: self.pcr9, 11: self.pcr11, 12: self.pcr12}

    def values(self) -> dict[int, str]:
        """Return the values (hexadecimal) of the PCRs that nothing but the image extends: all but PCR 4."""
        return {pcr: _extended(digests) for pcr, digests in self.as_pcrs().items() if pcr not in _SHARED}


def predict(image: bytes, *, subject: str = "image") -> ImageMeasurements:
    """Predict a UKI's measurements; raise InputError where it would not be measured whole.

    1. The outer image is a PE whose hash covers all of it.
    2. Its sections are the stub's and the measured ones, each once, and only the
       stub's .text may be run.
    3. The stub is of a version whose measurements are known.
    4. The inner kernel is a PE as well, and measures what it is given.
    5. The command line is what the kernel will be given, character for character.
    """
    outer = parse_pe(image, subject=subject)  # 1
    sections = _sections_by_name(outer, subject=subject)  # 2
    magic = sections.get(".sdmagic")  # 3
    if magic is None or not _KNOWN_STUB.match(outer.content(magic)):
        refuse(subject, "its stub is not systemd-stub 252, the only one whose measurements are known")
    contents = {name: outer.content(sections[name]) for name in _MEASURED if name in sections}
    inner = parse_pe(contents[".linux"], subject=f"{subject}, inner kernel")  # 4
    _check_kernel(contents[".linux"], subject=subject)
    command_line = _command_line(contents[".cmdline"], subject=subject)  # 5
    pcr11: list[str] = []
    for name, content in contents.items():
        pcr11 += [_sha256(name.encode("ascii") + b"\0"), _sha256(content)]
    return ImageMeasurements(
        digest=_sha256(image),
        command_line=command_line,
        pcr4=(authenticode_sha256(outer), authenticode_sha256(inner)),
        pcr9=(_sha256((command_line + "\0").encode("utf-16-le")), _sha256(contents[".initrd"])),
        pcr11=tuple(pcr11),
    )


def _sections_by_name(outer: PeImage, *, subject: str) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    for section in outer.sections:
        name = section.name
        if name in sections:
            refuse(subject, f"section {name} occurs twice")
        if name not in _MEASURED and name not in _STUB_SECTIONS:
            refuse(subject, f"section {name} is not among those whose measurement is known")
        if name in _MEASURED and not 0 < section.virtual_size <= section.raw_size:
            refuse(subject, f"section {name} is empty or larger in memory than in the file")
        if name != ".text" and section.characteristics & EXECUTABLE:
            refuse(subject, f"section {name} holds code outside the stub's .text")
        sections[name] = section
    for name in _NEEDED:
        if name not in sections:
            refuse(subject, f"not a unified kernel image: no {name} section, so what it boots is not measured with it")
    text = sections.get(".text")
    if text is None or not 0 <= outer.entry_point - text.virtual_address < text.virtual_size:
        refuse(subject, "its entry point is not in the stub's .text")
    return sections


def _check_kernel(kernel: bytes, *, subject: str) -> None:
    if kernel[_KERNEL_MAGIC_AT : _KERNEL_MAGIC_AT + 4] != b"HdrS":
        refuse(subject, "its .linux section is not a Linux bzImage")
    at = 0x200 + int.from_bytes(kernel[_KERNEL_VERSION_AT : _KERNEL_VERSION_AT + 2], "little")
    version = re.match(rb"([0-9]{1,3})\.([0-9]{1,3})[^0-9]", kernel[at : at + 64])
    if version is None:
        refuse(subject, "its kernel names no version")
    if (int(version[1]), int(version[2])) < _FIRST_KERNEL:
        refuse(subject, "its kernel is older than 6.1 and does not measure its command line")


def _command_line(content: bytes, *, subject: str) -> str:
    # The stub ends the line at the first NUL; anything after it would be measured but not used.
    line = content.rstrip(b"\0")
    if not _PRINTABLE.fullmatch(line):
        refuse(subject, "its command line is empty or not plain printable ASCII")
    return line.decode("ascii")


def _extended(digests: Sequence[str]) -> str:
    value = bytes(hashlib.sha256().digest_size)
    for digest in digests:
        value = hashlib.sha256(value + bytes.fromhex(digest)).digest()
    return value.hex()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
