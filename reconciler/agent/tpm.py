"""The node's TPM: endorsement, attestation key, credential activation, quotes.

Rules: keys are made by the TPM and never leave it; the attestation key (AK) is a
restricted P-256 signing key under the endorsement key (EK), so the ``qualifiedSigner``
of each quote names both; it is exempt from dictionary-attack protection, because a
hard power-off after its use would otherwise count as a failed try. Every transient
handle and session is flushed. It checks nothing about the peer or about values.

Source: TCG EK Credential Profile 2.5 (templates, NV indices); TPM 2.0 Part 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tpm2_pytss import (
    ESAPI,
    ESYS_TR,
    TPM2_ALG,
    TPM2_SE,
    TPM2B_ENCRYPTED_SECRET,
    TPM2B_ID_OBJECT,
    TPM2B_SENSITIVE_CREATE,
    TPML_PCR_SELECTION,
    TPMS_PCR_SELECTION,
    TPMT_SYM_DEF,
    TSS2_Exception,
)

from reconciler.agent.templates import attestation_key_template, endorsement_key_template
from reconciler.errors.taxonomy import DeviceError, TransientError, cut

_EK_CERTIFICATE_NV = 0x01C00002  # RSA-2048, template L-1
_EK_PERSISTENT = 0x81010001
_NV_CHUNK = 512
_QUOTE_TRIES = 3
_BANKS = {"sha256": TPM2_ALG.SHA256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What the TPM signed, its signature, and the PCR values that it signed."""

    attest: bytes
    signature: bytes
    pcrs: dict[int, str]


class Tpm:
    """One open TPM; a context manager that leaves no transient object behind."""

    def __init__(self, tcti: str) -> None:
        """Open the TPM by its TCTI (``device:/dev/tpmrm0``); raise DeviceError where there is none."""
        with _translated("open"):
            self._esys: Any = ESAPI(tcti)
        self._ek: Any = None
        self._ek_is_transient = False
        self._ak: Any = None
        self._ak_public = b""

    def __enter__(self) -> Self:
        """Return itself: the TPM is open from construction on."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Flush what was loaded and close the connection."""
        try:
            with _translated("flush"):
                if self._ak is not None:
                    self._esys.flush_context(self._ak)
                if self._ek is not None and self._ek_is_transient:
                    self._esys.flush_context(self._ek)
        finally:
            self._esys.close()

    def endorsement_certificate(self) -> bytes:
        """Return the EK certificate as it lies in NV memory, padding included."""
        with _translated("read the EK certificate"):
            index = self._esys.tr_from_tpmpublic(_EK_CERTIFICATE_NV)
            public, _ = self._esys.nv_read_public(index)
            size = int(public.nvPublic.dataSize)
            parts = [
                bytes(self._esys.nv_read(index, min(_NV_CHUNK, size - at), offset=at, auth_handle=index))
                for at in range(0, size, _NV_CHUNK)
            ]
        return b"".join(parts)

    def attestation_key(self) -> bytes:
        """Return the AK's public area (TPMT_PUBLIC, no size prefix); the first call makes the AK under the EK."""
        if self._ak_public:
            return self._ak_public
        with _translated("create the attestation key"):
            ek = self._endorsement_key()
            secret = TPM2B_SENSITIVE_CREATE()
            with self._ek_session() as session:
                private, public, *_ = self._esys.create(ek, secret, attestation_key_template(), session1=session)
            with self._ek_session() as session:
                self._ak = self._esys.load(ek, private, public, session1=session)
            self._ak_public = bytes(public.publicArea.marshal())
        return self._ak_public

    def activate_credential(self, *, credential_blob: bytes, encrypted_secret: bytes) -> bytes:
        """Return the secret that only the TPM holding both this EK and this AK can open."""
        with _translated("activate the credential"), self._ek_session() as session:
            secret = self._esys.activate_credential(
                self._ak,
                self._endorsement_key(),
                TPM2B_ID_OBJECT(credential=credential_blob),
                TPM2B_ENCRYPTED_SECRET(secret=encrypted_secret),
                session1=ESYS_TR.PASSWORD,
                session2=session,
            )
        return bytes(secret)

    def quote(self, *, qualifying_data: bytes, bank: str, pcrs: Sequence[int]) -> Quote:
        """Quote PCRs under the AK; read values and quote belong together.

        A PCR that changes between the reading and the quote makes them differ: then
        both are made again, at most three times (TransientError after that).
        """
        selection = _selection(bank, pcrs)
        for _ in range(_QUOTE_TRIES):
            values = self.read_pcrs(bank=bank, pcrs=pcrs)
            with _translated("quote"):
                attest, signature = self._esys.quote(self._ak, selection, qualifying_data)
            # TPMS_QUOTE_INFO ends in pcrDigest, and the AK's scheme makes it a SHA-256.
            read_digest = hashlib.sha256(b"".join(values[pcr] for pcr in sorted(values))).digest()
            if bytes(attest).endswith(read_digest):
                hexadecimal = {pcr: value.hex() for pcr, value in values.items()}
                return Quote(attest=bytes(attest), signature=bytes(signature.marshal()), pcrs=hexadecimal)
        raise TransientError("tpm", "PCRs keep changing while they are quoted", reason="PcrsMoving")

    def read_pcrs(self, *, bank: str, pcrs: Sequence[int]) -> dict[int, bytes]:
        """Return the values of PCRs; a TPM answers at most eight at a time."""
        values: dict[int, bytes] = {}
        wanted = sorted(set(pcrs))
        with _translated("read PCRs"):
            while wanted:
                _, _, digests = self._esys.pcr_read(_selection(bank, wanted))
                got = [bytes(digest) for digest in digests]
                if not got:
                    raise DeviceError("tpm", f"has no {bank} value for PCR {wanted[0]}", reason="PcrMissing")
                values.update(zip(wanted, got, strict=False))
                wanted = wanted[len(got) :]
        return values

    def _endorsement_key(self) -> Any:  # noqa: ANN401 - an ESYS_TR, which tpm2-pytss does not type
        if self._ek is None:
            try:
                self._ek = self._esys.tr_from_tpmpublic(_EK_PERSISTENT)
            except TSS2_Exception:
                # Nothing is persistent there on many machines: the template gives the same key again.
                self._ek, *_ = self._esys.create_primary(
                    TPM2B_SENSITIVE_CREATE(), endorsement_key_template(), ESYS_TR.ENDORSEMENT
                )
                self._ek_is_transient = True
        return self._ek

    @contextmanager
    def _ek_session(self) -> Iterator[Any]:
        """Open a policy session that satisfies the EK's policy for one use, and flush it."""
        session = self._esys.start_auth_session(
            tpm_key=ESYS_TR.NONE,
            bind=ESYS_TR.NONE,
            session_type=TPM2_SE.POLICY,
            symmetric=TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL),
            auth_hash=TPM2_ALG.SHA256,
        )
        try:
            self._esys.policy_secret(ESYS_TR.ENDORSEMENT, session, expiration=0)
            yield session
        finally:
            self._esys.flush_context(session)


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except (TSS2_Exception, ValueError) as error:  # ValueError: tpm2-pytss itself found an argument too long
        raise DeviceError(
            "tpm", f"cannot {action}: {cut(str(error))}", reason="TpmRefused", hint="is a TPM 2.0 there, and free?"
        ) from error


def _selection(bank: str, pcrs: Sequence[int]) -> TPML_PCR_SELECTION:
    if bank not in _BANKS:
        raise DeviceError("tpm", f"PCR bank {cut(bank)!r} is not supported", reason="BankUnsupported")
    return TPML_PCR_SELECTION([TPMS_PCR_SELECTION(hash=_BANKS[bank], pcrs=sorted(set(pcrs)))])
