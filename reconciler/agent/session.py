"""One node's dealings with the attestation service, step by step.

Rules, in this order and never otherwise: (1) enrol the EK certificate and the AK;
(2) activate the credential, which proves that both live in one TPM; (3) quote over
the challenge, the desired-state commit and this boot's ephemeral key; (4) hand in
the evidence and wait for the verdict; (5) open the keys; (6) acknowledge, which is
what allows the port to be moved. Nothing here knows an expected value.
"""

from __future__ import annotations

import base64
import time
from pathlib import Path

from reconciler.agent.console import say
from reconciler.agent.keys import KeyRing
from reconciler.agent.messages import Challenge, Credential, Verdict
from reconciler.agent.tpm import Tpm
from reconciler.agent.wire import Wire
from reconciler.errors.taxonomy import DeviceError, TransientError, TrustError, cut
from reconciler.model.binding import qualifying_data, receipt

_IMA_PCR = 10
_POLL_S = 10
_ACKNOWLEDGE_S = 3.0
_VERDICT_DEADLINE_S = 120.0


class Session:
    """The agent's state between calls: the session's id and this boot's keys."""

    def __init__(self, *, tpm: Tpm, wire: Wire, keys: KeyRing, event_log: Path, ima_log: Path) -> None:
        """Hold the parts; nothing is sent yet."""
        self._tpm = tpm
        self._wire = wire
        self._keys = keys
        self._event_log = event_log
        self._ima_log = ima_log
        self._id = ""
        self._next: Challenge | None = None

    def forget(self) -> None:
        """Forget the session, which the service no longer knows; the next step enrols anew."""
        self._id = ""
        self._next = None

    def prove(self) -> tuple[Challenge, Verdict]:
        """Make one attempt (3 to 6, after 1 and 2 where needed); return its challenge and its verdict.

        The verdict is ``accepted`` or ``again``. A rejection is a TrustError:
        the node stops, and its power will be cut.
        """
        if not self._id:
            self._enrol()
        challenge = self._next or Challenge.parse(self._wire.get("/v1/challenge", {"session": self._id}))
        self._next = None
        self._hand_in(challenge)
        verdict = self._await_verdict(challenge)
        if verdict.status == "rejected":
            raise TrustError("node", "was rejected", reason="Rejected", hint="see `ringfence explain` for the reasons")
        if verdict.status == "accepted":
            self._take_keys(challenge, verdict)
        return challenge, verdict

    def confirm(self) -> None:
        """Tell the service, by being heard there, which network the node is in."""
        if not self._id:
            self._enrol()
        self._wire.post("/v1/confirm", {"session": self._id})

    def _enrol(self) -> None:
        """Enrol and activate (1, 2); the first challenge comes with it."""
        certificate = self._tpm.endorsement_certificate()
        public = self._tpm.attestation_key()
        say("attestation key ready")
        request = {"ek_certificate": _text(certificate), "ak_public": _text(public)}  # 1
        credential = Credential.parse(self._wire.post("/v1/enrol", request))
        secret = self._tpm.activate_credential(  # 2
            credential_blob=credential.credential_blob, encrypted_secret=credential.encrypted_secret
        )
        answer = self._wire.post("/v1/activate", {"session": credential.session, "secret": _text(secret)})
        self._id = credential.session
        self._next = Challenge.parse(answer)
        say("enrolled, credential activated")

    def _hand_in(self, challenge: Challenge) -> None:
        qualifying = qualifying_data(
            nonce=challenge.nonce,
            node=challenge.node,
            enclave=challenge.enclave,
            commit=challenge.commit,
            ephemeral=self._keys.recipient,
        )
        quote = self._tpm.quote(qualifying_data=qualifying, bank=challenge.bank, pcrs=challenge.pcrs)  # 3
        evidence = {  # 4
            "session": self._id,
            "nonce": challenge.nonce.hex(),
            "quote": _text(quote.attest),
            "signature": _text(quote.signature),
            "pcrs": {str(pcr): value for pcr, value in quote.pcrs.items()},
            "event_log": _text(_read_log(self._event_log)),
            "ephemeral": self._keys.recipient,
        }
        if _IMA_PCR in challenge.pcrs:
            # Read after the quote: the list may be longer than what was quoted, never shorter.
            evidence["ima_log"] = _text(_read_log(self._ima_log))
        self._wire.post("/v1/evidence", evidence)
        say("quote sent")

    def _await_verdict(self, challenge: Challenge) -> Verdict:
        query = {"session": self._id, "nonce": challenge.nonce.hex(), "wait": str(_POLL_S)}
        deadline = time.monotonic() + _VERDICT_DEADLINE_S
        while time.monotonic() < deadline:
            asked = time.monotonic()
            verdict = Verdict.parse(self._wire.get("/v1/verdict", query, wait_s=_POLL_S))
            if verdict.status != "pending":
                say(f"verdict: {verdict.status}")
                return verdict
            # A service that answers "pending" at once must not be asked in a tight loop.
            time.sleep(max(0.0, 1.0 - (time.monotonic() - asked)))
        raise TransientError("service", "gave no verdict in time", reason="VerdictLate")

    def _take_keys(self, challenge: Challenge, verdict: Verdict) -> None:
        receipts = {}
        for key in verdict.keys:  # 5
            receipts[key.name] = receipt(self._keys.take(key.name, wrapped=key.wrapped), nonce=challenge.nonce)
        named = ", ".join(f"{key.name} v{key.version}" for key in verdict.keys) or "none"
        acknowledgement = {"session": self._id, "nonce": challenge.nonce.hex(), "receipts": receipts}
        try:
            self._wire.post("/v1/acknowledge", acknowledgement, timeout_s=_ACKNOWLEDGE_S)  # 6
        except TransientError:
            # The port may be moved as soon as the service has read it, before its answer is here.
            say(f"keys taken: {named}; acknowledgement sent, answer lost")
        else:
            say(f"keys taken and acknowledged: {named}")


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _read_log(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeviceError(
            "event log", cut(str(error)), reason="EventLogMissing", hint="is securityfs mounted, and is there a TPM?"
        ) from error
