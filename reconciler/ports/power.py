"""The power port: one machine's power and what it boots from."""

from __future__ import annotations

from typing import Protocol

from reconciler.model.observed import PowerState


class Power(Protocol):
    """One machine's BMC.

    Calls block for at most the adapter's deadline. TransientError: unreachable or silent; DeviceError: bad
    credentials, or it refuses. Each switching call returns the state read back at its end, UNKNOWN if the BMC will
    not say; it never claims a state that it has not seen. A BMC that gave no answer twice in a row may be left alone
    for a while, and then it is TransientError at once.
    """

    def status(self) -> PowerState:
        """Return whether the machine is on; UNKNOWN if the BMC gives no clear answer."""
        ...

    def turn_on(self) -> PowerState:
        """Boot the machine from the network (set for this boot) and return the state read back.

        A machine that is on stays on and is not reset.
        """
        ...

    def turn_off(self) -> PowerState:
        """Cut the power, hard, and return the state read back. Off already: nothing happens."""
        ...
