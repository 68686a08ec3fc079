"""Actions in hardware words: what a person at the rack would say."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.desired import DesiredState
from reconciler.plan import actions as a


def describe(action: a.Action, desired: DesiredState) -> str:
    """Return one line that says what ``action`` does to which piece of hardware."""
    match action:
        case a.PowerOff():
            text = f"power off (BMC {_bmc(action.subject, desired)})"
        case a.PowerOn():
            text = f"power on and boot from the network (BMC {_bmc(action.subject, desired)})"
        case a.Park():
            text = f"park {_ports(action.ports)}"
        case a.EnterAirlock():
            text = f"move into its airlock: {_ports(action.ports[:1])}"
        case a.Admit():
            text = f"admit to enclave {action.enclave}: {_ports(action.ports[:1])}"
        case a.AssignImage():
            text = f"serve image {action.image} ({action.digest[:19]}…)"
        case a.RecordEvidence():
            text = "record its evidence" + (f", and that it gets {', '.join(action.keys)}" if action.keys else "")
        case a.ReleaseKeys():
            keys = f"give it {', '.join(action.keys)}" if action.keys else "tell it that it is trusted"
            text = f"{keys}, encrypted to the quote-bound key" if action.keys else keys
        case a.Confirm():
            text = f"see it call from inside {action.network}"
        case a.RotateKey():
            text = f"rotate past version {action.past}"
        case a.RecordRejection():
            text = f"record its rejection: {'; '.join(action.causes)}"
        case _:
            text = _PLAIN[action.verb]
    return text


_PLAIN = {
    "attest": "wait for its TPM evidence",
    "ask-again": "ask for evidence under the newest commit",
    "withdraw": "serve it no image any more",
    "return-to-pool": "return it to the pool",
}


def _ports(ports: Iterable[a.Port]) -> str:
    return ", ".join(f"switch {p.switch} port {p.port} → access VLAN {p.vlan}" for p in ports)


def _bmc(node: str, desired: DesiredState) -> str:
    bmc = desired.nodes[node].spec.bmc
    return f"{bmc.address}:{bmc.listens_on}"
