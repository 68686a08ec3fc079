"""ovsdbapp's IDL, narrowed to the tables that are used and asked whether it is connected.

Imported by ``openvswitch`` when a switch is first reached, because ovsdbapp takes a
tenth of a second to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ovsdbapp.backend.ovs_idl import idlutils
from ovsdbapp.backend.ovs_idl.connection import OvsdbIdl

_VLAN_ID = {"type": "integer", "minInteger": 0, "maxInteger": 4095}
_SCHEMA: Mapping[str, Any] = {
    "name": "Open_vSwitch",
    "version": "8.0.0",
    "tables": {
        "Open_vSwitch": {"columns": {"next_cfg": {"type": "integer"}, "cur_cfg": {"type": "integer"}}},
        "Bridge": {
            "columns": {
                "name": {"type": "string"},
                "ports": {"type": {"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"}},
            },
        },
        "Port": {
            "columns": {
                "name": {"type": "string"},
                "vlan_mode": {"type": {"key": "string", "min": 0, "max": 1}},
                "tag": {"type": {"key": _VLAN_ID, "min": 0, "max": 1}},
                "trunks": {"type": {"key": _VLAN_ID, "min": 0, "max": 4096}},
            },
        },
    },
}
"""The part of vswitch.ovsschema that is read and written here (ovs-vswitchd.conf.db(5))."""


class SwitchIdl(OvsdbIdl):  # type: ignore[misc]
    """A copy of the tables that are used, kept up to date over one connection while somebody calls ``run``."""

    @property
    def is_connected(self) -> bool:
        """Return whether the connection is up, as far as ``run`` has seen."""
        return bool(self._session.is_connected())


def connect(address: str) -> SwitchIdl:
    """Return a copy that will connect to ``address`` when it is run."""
    helper = idlutils.create_schema_helper(_SCHEMA)
    helper.register_all()
    return SwitchIdl(address, helper)
