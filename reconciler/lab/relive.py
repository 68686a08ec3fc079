"""Bring a TPM to where a recorded firmware log says that it was.

Rules, in this order: (1) H-CRTM before Startup, where an EV_EFI_HCRTM_EVENT begins PCR 0;
(2) Startup at the log's locality; (3) every event's SHA-256 digest into its PCR, in the
log's order; (4) a dynamic launch (locality 4) before the first event of PCR 17 to 22, which
come after it. Hash sequences at locality 4 take content, not a digest: where the log does
not hold the content, no TPM can be brought there, and ``check`` says so beforehand.

Source: TPM 2.0 Part 3, TPM2_Startup and _TPM_Hash_Start;
PC Client Platform TPM Profile, PCR attributes; swtpm_ioctl(8).
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Sequence
from typing import Any

from reconciler.errors.taxonomy import DeviceError, InputError, cut
from reconciler.lab.process import environment
from reconciler.lab.recorded import NO_ACTION, Recorded

_HCRTM_EVENT = 0x80000010
_LOCALITY = b"StartupLocality\0"
_DYNAMIC = range(17, 23)
_LAUNCH_PCR = 17
_DYNAMIC_LOCALITY = 2  # the only one that may extend all of PCR 17 to 22
_IOCTL_DEADLINE_S = 5.0


def startup_locality(events: Sequence[Recorded]) -> int:
    """Return the locality that the log's StartupLocality event names, 0 where there is none."""
    for event in events:
        if event.type == NO_ACTION and event.data.startswith(_LOCALITY) and len(event.data) == len(_LOCALITY) + 1:
            return event.data[-1]
    return 0


def core_of(events: Sequence[Recorded]) -> Recorded | None:
    """Return the H-CRTM event that begins PCR 0, if one does."""
    first = next((event for event in events if event.pcr == 0 and event.is_extended), None)
    return first if first is not None and first.type == _HCRTM_EVENT else None


def launch_of(events: Sequence[Recorded]) -> Recorded | None:
    """Return the first event of a dynamic launch, if the log holds one."""
    return next((event for event in events if event.pcr in _DYNAMIC and event.is_extended), None)


def check(events: Sequence[Recorded], *, subject: str) -> None:
    """Raise InputError (LabLogUnusable) where no TPM can be brought to what the log says."""
    core, launch, locality = core_of(events), launch_of(events), startup_locality(events)
    reason = ""
    if locality not in ((0, 4) if core else (0, 3)):
        reason = f"a TPM cannot be started at locality {locality} this way"
    elif launch is not None and launch.pcr != _LAUNCH_PCR:
        reason = f"event {launch.index} begins a dynamic launch in PCR {launch.pcr}, not in PCR 17"
    for event in (core, launch):
        if event is not None and hashlib.sha256(event.data).digest() != event.digest:
            reason = f"event {event.index} was hashed by the TPM itself, from content that the log does not hold"
    if reason:
        raise InputError(subject, f"cannot be relived: {reason}", reason="LabLogUnusable")


def relive(events: Sequence[Recorded], *, socket: str, subject: str) -> None:
    """Start the TPM behind ``socket`` (control at ``socket.ctrl``) and bring it to what ``events`` say.

    The TPM must be powered on and not started. Raises InputError as ``check`` does, DeviceError where the TPM refuses.
    """
    check(events, subject=subject)
    core, launch = core_of(events), launch_of(events)
    if core is not None:  # 1
        _hash(core.data, socket=socket)
    from tpm2_pytss import ESAPI, TPM2_SU, TCTILdr, TSS2_Exception

    tcti: Any = TCTILdr("swtpm", f"path={socket}")
    try:
        esys: Any = ESAPI(tcti)
        try:
            tcti.set_locality(0 if core else startup_locality(events))
            esys.startup(TPM2_SU.CLEAR)  # 2
            for event in events:  # 3
                if not event.is_extended or event is core:
                    continue
                if event is launch:  # 4
                    _hash(event.data, socket=socket)
                    continue
                tcti.set_locality(_DYNAMIC_LOCALITY if event.pcr in _DYNAMIC else 0)
                _extend(esys, event)
            tcti.set_locality(0)
        finally:
            esys.close()
    except TSS2_Exception as error:
        raise DeviceError("tpm", f"cannot relive the log: {cut(str(error))}", reason="LabTpmRefused") from error
    finally:
        tcti.close()


def _extend(esys: Any, event: Recorded) -> None:  # noqa: ANN401 - tpm2-pytss is not typed
    from tpm2_pytss import ESYS_TR, TPM2_ALG, TPML_DIGEST_VALUES, TPMT_HA, TPMU_HA

    digest = TPMT_HA(hashAlg=TPM2_ALG.SHA256, digest=TPMU_HA(sha256=event.digest))
    esys.pcr_extend(ESYS_TR.parse(f"PCR{event.pcr}"), TPML_DIGEST_VALUES([digest]))


def _hash(content: bytes, *, socket: str) -> None:
    """Have the TPM hash ``content`` at locality 4: before Startup into PCR 0, later as a dynamic launch."""
    argv = ["swtpm_ioctl", "--unix", f"{socket}.ctrl", "-h", "-"]
    try:
        subprocess.run(
            argv, input=content, capture_output=True, timeout=_IOCTL_DEADLINE_S, check=True, env=environment()
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError("tpm", f"cannot hash: {cut(str(error))}", reason="LabTpmRefused") from error
