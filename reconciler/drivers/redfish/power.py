"""The adapter of ``ports.power.Power``: one machine's BMC over Redfish (DMTF DSP0266, ComputerSystem).

Switching on, in this order: 1. a machine that is on is left alone; 2. network boot over UEFI is set for the next boot
only; 3. it is read back from a fresh answer, as it stands there; 4. power goes on; 5. the state is read until it is the
one asked for or the time is over. It does not check that the machine does what its BMC says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Literal, TypeVar

import sushy
import sushy.connector
import sushy.exceptions
from sushy.resources.system.system import System

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.https import Vouching
from reconciler.drivers.patience import Patience
from reconciler.drivers.redfish.connection import connect
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, RingfenceError, TransientError, cut
from reconciler.model.observed import PowerState
from reconciler.model.survey import BmcSighting

NetworkBoot = Literal["http", "pxe"]
_TARGETS = {"http": sushy.BootSource.UEFI_HTTP, "pxe": sushy.BootSource.PXE}
_STATES = {sushy.PowerState.ON: PowerState.ON, sushy.PowerState.OFF: PowerState.OFF}
_SWITCHES = {
    PowerState.ON: (sushy.ResetType.ON, sushy.ResetType.FORCE_ON),
    PowerState.OFF: (sushy.ResetType.FORCE_OFF,),
}
_BUSY = frozenset({408, 409, 412, 423, 425, 429})
_LOGIN = frozenset({401, 403})
_SERVER_FAULT = 500
_POLL_S = 0.25
_TEXT_LIMIT = 64
_Answer = TypeVar("_Answer")


class RedfishPower:
    """One machine behind one BMC; calls take turns."""

    def __init__(  # noqa: PLR0913
        self,
        node: str,
        *,
        address: str,
        credentials: Credentials,
        vouching: Vouching,
        port: int = 443,
        system: str | None = None,
        network_boot: NetworkBoot = "http",
        deadline_s: float = 20.0,
        patience: Patience | None = None,
    ) -> None:
        """Remember where the BMC of ``node`` is; nothing is sent yet. ``system`` is needed if the BMC has several."""
        self._subject = f"node {node}"
        self._where = (address, port)
        self._credentials = credentials
        self._vouching = vouching
        self._path = f"/redfish/v1/Systems/{system}" if system else None
        self._target = _TARGETS[network_boot]
        self._deadline_s = deadline_s
        self._patience = patience or Patience()
        self._turn = threading.Lock()

    def status(self) -> PowerState:
        """Return whether the machine is on."""
        return self._call(lambda bmc, _: _state(bmc))

    def turn_on(self) -> PowerState:
        """Boot from the network, unless it is on already; return the state read back."""
        return self._call(lambda bmc, cutoff: self._switch(bmc, PowerState.ON, cutoff=cutoff))

    def turn_off(self) -> PowerState:
        """Cut the power, unless it is off already; return the state read back."""
        return self._call(lambda bmc, cutoff: self._switch(bmc, PowerState.OFF, cutoff=cutoff))

    def identify(self) -> BmcSighting:
        """Return what the BMC tells about its machine; nothing is changed."""
        return self._call(lambda bmc, _: _sighting(bmc))

    def _call(self, act: Callable[[System, Cutoff], _Answer]) -> _Answer:
        """Return what ``act`` does with the machine, within the deadline; every error is one of the port's."""
        self._patience.check(self._where, subject=self._subject)
        with Cutoff(self._deadline_s) as cutoff:
            if not self._turn.acquire(timeout=self._deadline_s):
                raise TransientError(self._subject, "its BMC is busy with an earlier call", reason="BmcBusy")
            try:
                with self._conversation(cutoff) as connector, self._translated(cutoff):
                    answer = act(self._system(connector), cutoff)
            except TransientError:
                self._patience.failed(self._where)
                raise
            except RingfenceError:
                self._patience.answered(self._where)
                raise
            finally:
                self._turn.release()
        self._patience.answered(self._where)
        return answer

    @contextmanager
    def _conversation(self, cutoff: Cutoff) -> Iterator[sushy.connector.Connector]:
        address, port = self._where
        connector = connect(
            address,
            port=port,
            credentials=self._credentials,
            vouching=self._vouching,
            cutoff=cutoff,
            subject=self._subject,
        )
        with closing(connector):
            yield connector

    def _system(self, connector: sushy.connector.Connector) -> System:
        """Return the machine, read now; where it stands is found out once."""
        if self._path is None:
            auth = sushy.auth.BasicAuth(
                username=self._credentials.user, password=self._credentials.password.reveal().decode()
            )
            self._path = sushy.Sushy(connector._url, auth=auth, connector=connector).get_system().path  # noqa: SLF001 - the address again, which it insists on
        return System(connector, self._path)

    def _switch(self, bmc: System, wanted: PowerState, *, cutoff: Cutoff) -> PowerState:
        """Do what the module's docstring says; the numbers are the same."""
        state = _state(bmc)
        if state is PowerState.UNKNOWN:  # It is between two states: which way it goes shows in a moment.
            state = _await(bmc, frozenset({PowerState.ON, PowerState.OFF}), cutoff=cutoff)
        if state in {wanted, PowerState.UNKNOWN}:  # 1
            return state
        allowed = bmc.get_allowed_reset_system_values()
        reset = next((each for each in _SWITCHES[wanted] if each in allowed), None)
        if reset is None:
            raise DeviceError(self._subject, f"its BMC cannot switch it {wanted.value.lower()}", reason="BmcRefused")
        if wanted is PowerState.ON:
            self._boot_from_network(bmc)  # 2, 3
        bmc.reset_system(reset)  # 4
        return _await(bmc, frozenset({wanted}), cutoff=cutoff)  # 5

    def _boot_from_network(self, bmc: System) -> None:
        """Set network boot over UEFI for one boot, and compare what the BMC then says.

        A BMC that boots from the network every time instead (``Continuous``) serves as well: it is set again before
        every boot. One that says nothing of BIOS or UEFI has no choice to tell.
        """
        if self._target not in bmc.get_allowed_system_boot_source_values():
            message = f"its BMC does not offer {self._target.value} as boot device"
            raise DeviceError(self._subject, message, reason="BmcBootDevice", hint="see networkBoot in the node's bmc")
        is_uefi = _boot_options(bmc).get("BootSourceOverrideMode") == sushy.BOOT_SOURCE_MODE_UEFI.value
        bmc.set_system_boot_options(
            target=self._target,
            enabled=sushy.BootSourceOverrideEnabled.ONCE,
            mode=None if is_uefi else sushy.BootSourceOverrideMode.UEFI,
        )
        bmc.refresh(force=True)
        told = _boot_options(bmc)
        if (
            told.get("BootSourceOverrideTarget") != self._target.value
            or told.get("BootSourceOverrideEnabled") not in {"Once", "Continuous"}
            or told.get("BootSourceOverrideMode", "UEFI") != "UEFI"
        ):
            message = f"its BMC did not take {self._target.value} over UEFI as boot device for the next boot"
            raise DeviceError(self._subject, message, reason="BmcBootDevice", hint="see networkBoot in the node's bmc")

    @contextmanager
    def _translated(self, cutoff: Cutoff) -> Iterator[None]:
        """Make the port's errors of sushy's."""
        try:
            yield
        except sushy.exceptions.HTTPError as error:
            raise self._refused(error) from error
        except sushy.exceptions.ConnectionError as error:
            if cutoff.left_s == 0.0:
                raise self._silent() from error
            message = f"its BMC is not reachable: {cut(_innermost(error))}"
            raise TransientError(self._subject, message, reason="BmcUnreachable") from error
        except sushy.exceptions.UnknownDefaultError as error:
            message = "its BMC does not have exactly one machine"
            hint = "name it: system in the node's bmc, the last part of its path below /redfish/v1/Systems"
            raise DeviceError(self._subject, message, reason="BmcSystem", hint=hint) from error
        except (sushy.exceptions.SushyError, OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            # What does not come as Redfish, whole and in time. A BMC that is starting answers like this, too.
            if cutoff.left_s == 0.0:
                raise self._silent() from error
            message = f"its BMC does not answer as Redfish does: {cut(str(error) or type(error).__name__)}"
            raise TransientError(self._subject, message, reason="BmcAnswer") from error

    def _silent(self) -> TransientError:
        return TransientError(self._subject, f"no answer within {self._deadline_s:g} s", reason="BmcSilent")

    def _refused(self, error: sushy.exceptions.HTTPError) -> RingfenceError:
        status = error.status_code or 0
        said = cut(f"{status} {error.detail or ''}".strip())
        if status >= _SERVER_FAULT or status in _BUSY:
            return TransientError(self._subject, f"its BMC says {said}", reason="BmcBusy")
        hint = "compare address and credentials of the node's bmc with the operator's credentials file"
        if status not in _LOGIN:
            hint = "is system in the node's bmc right, and may this login switch power?"
        return DeviceError(self._subject, f"its BMC refuses: {said}", reason="BmcRefused", hint=hint)


def _state(bmc: System) -> PowerState:
    return _STATES.get(bmc.power_state, PowerState.UNKNOWN)


def _await(bmc: System, wanted: frozenset[PowerState], *, cutoff: Cutoff) -> PowerState:
    """Return the first state read that is ``wanted``, or the last one read in time."""
    bmc.refresh(force=True)
    while (state := _state(bmc)) not in wanted and cutoff.left_s > 2 * _POLL_S:
        time.sleep(_POLL_S)
        try:
            bmc.refresh(force=True)
        except (sushy.exceptions.ConnectionError, TransientError):
            if cutoff.left_s > 0.0:
                raise
            return PowerState.UNKNOWN  # The command was given, and its end was not seen.
    return state


def _boot_options(bmc: System) -> dict[str, Any]:
    """Return ``Boot`` as the BMC gives it: with what is laid out for the next boot over what holds now.

    sushy shows a value that it does not know as none, so this reads the answers themselves.
    """
    now = bmc.json.get("Boot") or {}
    settings = (bmc.json.get("@Redfish.Settings") or {}).get("SettingsObject") or {}
    path = settings.get("@odata.id")
    laid_out = (bmc._conn.get(path).json().get("Boot") or {}) if path else {}  # noqa: SLF001 - its own raw request
    return {**now, **{name: value for name, value in laid_out.items() if value is not None}}


def _sighting(bmc: System) -> BmcSighting:
    return BmcSighting(
        power=_state(bmc),
        guid=_text(bmc.uuid).replace("-", "").lower(),
        manufacturer=_text(bmc.manufacturer),
        product=_text(bmc.model),
        serial=_text(bmc.serial_number),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable()).strip()[:_TEXT_LIMIT]


def _innermost(error: BaseException) -> str:
    """Return what went wrong at the bottom: the layers above repeat it with their addresses of objects."""
    text = type(error).__name__
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            text = inner.strerror
        inner = inner.__cause__ or inner.__context__
    return text
