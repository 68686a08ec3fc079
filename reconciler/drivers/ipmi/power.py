"""The adapter of ``ports.power.Power``: one machine's BMC over IPMI 2.0.

It names the machine in errors and says UNKNOWN where the BMC is not clear. It does not
check that the machine does what its BMC says.
"""

from __future__ import annotations

import json

from reconciler.drivers.ipmi.messages import Operation, Request
from reconciler.drivers.ipmi.pool import WorkerPool
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, TransientError
from reconciler.model.observed import PowerState
from reconciler.model.survey import BmcSighting

__all__ = ["Credentials", "IpmiPower"]

_SHARE_FOR_THE_WORKER = 0.8
_STATES = {state.value: state for state in PowerState}


class IpmiPower:
    """One BMC, worked through a shared pool of processes."""

    def __init__(  # noqa: PLR0913
        self,
        node: str,
        *,
        address: str,
        credentials: Credentials,
        pool: WorkerPool,
        port: int = 623,
        deadline_s: float = 10.0,
    ) -> None:
        """Remember where the BMC of ``node`` is; nothing is sent yet."""
        self._subject = f"node {node}"
        self._address = address
        self._port = port
        self._credentials = credentials
        self._pool = pool
        self._deadline_s = deadline_s

    def status(self) -> PowerState:
        """Return whether the machine is on."""
        return self._ask("status")

    def turn_on(self) -> PowerState:
        """Boot from the network, unless it is on already; return the state read back."""
        return self._ask("on")

    def turn_off(self) -> PowerState:
        """Cut the power, unless it is off already; return the state read back."""
        return self._ask("off")

    def identify(self) -> BmcSighting:
        """Return what the BMC tells about itself and its machine; nothing is changed."""
        text = self._call("identify")
        try:
            told: dict[str, str] = json.loads(text)
            return BmcSighting(power=_STATES.get(told.pop("power"), PowerState.UNKNOWN), **told)
        except (ValueError, TypeError, KeyError) as error:
            raise TransientError(self._subject, "the worker process broke", reason="BmcWorkerBroke") from error

    def _ask(self, operation: Operation) -> PowerState:
        return _STATES.get(self._call(operation), PowerState.UNKNOWN)

    def _call(self, operation: Operation) -> str:
        reply = self._pool.ask(
            Request(
                operation=operation,
                address=self._address,
                port=self._port,
                user=self._credentials.user,
                password=self._credentials.password.reveal().decode(),
                timeout_s=self._deadline_s * _SHARE_FOR_THE_WORKER,
            ),
            subject=self._subject,
            deadline_s=self._deadline_s,
        )
        match reply.outcome:
            case "state":
                return reply.text
            case "refused":
                raise DeviceError(
                    self._subject,
                    f"its BMC refuses: {reply.text}",
                    reason="BmcRefused",
                    hint="compare address and credentials of the node's bmc with the operator's credentials file",
                )
            case "unreachable":
                raise TransientError(self._subject, f"its BMC is not reachable: {reply.text}", reason="BmcUnreachable")
