"""PCR 8, 9, 11, 12 and 14: what boot loaders, stubs and shim measure.

A text is proven by its digest. What a bare digest is of follows from the order in which programs are known to
measure, never from the text beside it; where the order leaves it open, there is no fact.

Sources: GRUB's manual, "Measured Boot"; systemd's TPM2_PCR_MEASUREMENTS.md; Linux's drivers/firmware/efi/libstub;
shim's README.tpm.
"""

from __future__ import annotations

from reconciler.attest.eventlog.log import Event
from reconciler.attest.facts.labels import text_in
from reconciler.attest.facts.view import Outcome, View, problem

_TAG = 0x00000006
_LOAD_OPTIONS = b"LOADED_IMAGE::LoadOptions"
_GRUB_PREFIXES = (
    b"grub_cmd: ", b"grub_cmd ",
    b"kernel_cmdline: ", b"grub_kernel_cmdline ",
    b"module_cmdline: ", b"grub_module_cmdline ",
)  # fmt: skip
_LINUX = frozenset({"linux", "linux16", "linuxefi"})
_SECTIONS = (
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".dtbauto", ".hwids", ".uname", ".sbat",
    ".pcrpkey", ".profile", ".efifw",
)  # fmt: skip
_SHIM_ORDER = ("MokList", "MokListX", "MokSBState", "MokDBState", "MokListTrusted")
_MOK = {"MokList": "mokList", "MokListX": "mokListX", "MokListTrusted": "mokListTrusted"}


def collect_commands(view: View) -> Outcome:
    """Yield GRUB's commands and the kernel's command line, or the line that an older systemd-stub measured.

    GRUB measures a line both as a command and, without the command's name, as the kernel's command line. Which is
    which is not measured. So a line counts if it was also measured behind the name of a command that loads Linux,
    if there is one such line, and if every such command has its line.
    """
    events = view.events(8)
    texts = [_grub_text(view, event=event) for event in events]
    given = [_utf16_text(view, event=event) for event in events]
    if events and all(given):
        yield from _same(view, name="kernelCommandLine", pcr=8, texts=given)
        yield view.fact("grubCommands", value=(), pcr=8)
        return
    for event, text in zip(events, texts, strict=True):
        if text is None:
            message = "an event whose digest is not that of its text may hide what was measured"
            yield problem("kernelCommandLine", "grubCommands", pcr=8, message=message, event=event)
    proven = [(event, text) for event, text in zip(events, texts, strict=True) if text is not None]
    lines = {text.partition(" ")[2] for _, text in proven if text.partition(" ")[0] in _LINUX}
    loaded = [(event, text) for event, text in proven if text in lines]
    commands = [(event, text) for event, text in proven if text not in lines]
    if lines and ({text for _, text in loaded} != lines or len(lines) != 1):
        message = "more than one kernel was loaded, or a kernel's command line was measured otherwise than given"
        yield problem("kernelCommandLine", pcr=8, message=message)
    elif lines:
        yield view.fact("kernelCommandLine", value=loaded[0][1], pcr=8, events=[loaded[0][0]])
    yield view.fact(
        "grubCommands", value=tuple(text for _, text in commands), pcr=8, events=[event for event, _ in commands]
    )


def _grub_text(view: View, *, event: Event) -> str | None:
    for prefix in _GRUB_PREFIXES:
        if event.data.startswith(prefix):
            body = event.data[len(prefix) :]
            if event.digest in {view.hash(body), view.hash(body.removesuffix(b"\0"))}:
                try:
                    return body.removesuffix(b"\0").decode()
                except UnicodeDecodeError:
                    return None
    return None


def _utf16_text(view: View, *, event: Event) -> str:
    """Return the UTF-16 text that the event measured, whole or with a byte that its log cuts off; nothing if none."""
    for data in (event.data, event.data + b"\0"):
        if b"\0" in event.data and event.digest == view.hash(data):
            return text_in(data)
    return ""


def _same(view: View, *, name: str, pcr: int, texts: list[str]) -> Outcome:
    """Yield the one text that was measured; a boot manager and its stub may both measure it."""
    if len(set(texts)) == 1:
        yield view.fact(name, value=texts[0], pcr=pcr, events=view.events(pcr)[:1])
    else:
        yield problem(name, pcr=pcr, message="different command lines were measured")


def collect_files(view: View) -> Outcome:
    """Yield all that was read or given in PCR 9."""
    yield view.digests("loadedFiles", pcr=9, events=view.events(9))


def collect_kernel_inputs(view: View) -> Outcome:
    """Yield a kernel's load options and initial file systems, where nobody but the kernel measured into PCR 9.

    A kernel measures its options first, once, and then what it loads.
    """
    events = view.events(9)
    is_options = [_LOAD_OPTIONS in event.data for event in events]
    if any(event.type != _TAG for event in events) or any(is_options[1:]):
        message = "others than the kernel's own stub measured into PCR 9; only loadedFiles is known"
        yield problem("loadOptions", "initrd", pcr=9, message=message)
        return
    options, files = events[: sum(is_options)], events[sum(is_options) :]
    for event in options:
        yield view.fact("loadOptions", value=event.digest.hex(), pcr=9, events=[event])
    if options and not files:
        message = "the only measurement may be of options or of a file system; that there is none is not proven"
        yield problem("initrd", pcr=9, message=message, event=options[0])
    else:
        yield view.digests("initrd", pcr=9, events=files)


def collect_sections(view: View) -> Outcome:
    """Yield the sections that a unified kernel image's stub measured: each section's name, then its content."""
    events = view.events(11)
    names = {view.hash(name.encode() + b"\0"): name for name in _SECTIONS}
    found: dict[str, str] = {}
    for name, content in zip(events[::2], events[1::2], strict=False):
        section = names.get(name.digest)
        if section is None or section in found:
            message = "a section that is not known, or measured twice"
            yield problem("ukiSections", pcr=11, message=message, event=name)
            return
        found[section] = content.digest.hex()
    if len(events) % 2:
        yield problem("ukiSections", pcr=11, message="a section without content", event=events[-1])
    elif events:
        yield view.fact("ukiSections", value=found, pcr=11, events=events[1::2])


def collect_stub(view: View) -> Outcome:
    """Yield what was handed to a stub, and the command line if that is all that was."""
    events = view.events(12)
    yield view.digests("stubParameters", pcr=12, events=events)
    if not events:
        return
    texts = [_utf16_text(view, event=event) for event in events]
    if all(texts):
        yield from _same(view, name="stubCommandLine", pcr=12, texts=texts)
    else:
        yield problem("stubCommandLine", pcr=12, message="more than a command line was handed to the stub")


def collect_mok(view: View) -> Outcome:
    """Yield shim's variables, by name where they stand in shim's own order."""
    events = view.events(14)
    yield view.digests("mokState", pcr=14, events=events)
    names = [text_in(event.data) for event in events]
    places = [_SHIM_ORDER.index(name) for name in names if name in _SHIM_ORDER]
    if len(places) != len(names) or places != sorted(set(places)):
        message = "PCR 14 holds others than shim's variables, or not in shim's order; only mokState is known"
        yield problem(*_MOK.values(), pcr=14, message=message)
        return
    for event, name in zip(events, names, strict=True):
        if name in _MOK:
            yield view.fact(_MOK[name], value=event.digest.hex(), pcr=14, events=[event])
