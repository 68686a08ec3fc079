"""The survey ports: reading hardware that is not ours yet. Nothing here can change anything."""

from __future__ import annotations

from typing import Protocol

from reconciler.model.survey import BmcSighting, SwitchSighting


class SwitchSurvey(Protocol):
    """One switch, to be read whole.

    TransientError: unreachable or silent, at the adapter's deadline at the latest; DeviceError: it refuses.
    """

    def survey(self) -> SwitchSighting:
        """Return its bridges, and every port of the bridge that was asked for, none if it is not there."""
        ...


class BmcSurvey(Protocol):
    """One BMC, to be asked who it is. Errors are those of ``ports.power.Power``."""

    def identify(self) -> BmcSighting:
        """Return its power state and what it tells about itself."""
        ...
