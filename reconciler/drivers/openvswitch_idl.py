"""ovsdbapp's IDL, narrowed to the tables that are used and asked whether it is connected.

Imported by ``openvswitch`` when a switch is first reached, because ovsdbapp takes a
tenth of a second to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ovsdbapp.backend.ovs_idl import idlutils
from ovsdbapp.backend.ovs_idl.connection import OvsdbIdl

_TEXTS = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
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
                "protected": {"type": "boolean"},
                "external_ids": _TEXTS,
            },
        },
    },
}
"""The part of vswitch.ovsschema that is read and written here (ovs-vswitchd.conf.db(5))."""

_INTERFACES = {"type": {"key": {"type": "uuid", "refTable": "Interface"}, "min": 1, "max": "unlimited"}}
_SURVEY: Mapping[str, Any] = {
    **_SCHEMA,
    "tables": {
        **_SCHEMA["tables"],
        "Port": {"columns": {**_SCHEMA["tables"]["Port"]["columns"], "interfaces": _INTERFACES}},
        "Interface": {
            "columns": {
                "name": {"type": "string"},
                "type": {"type": "string"},
                "ofport": {"type": {"key": "integer", "min": 0, "max": 1}},
                "external_ids": _TEXTS,
            },
        },
    },
}
"""What a survey reads beside that."""


class SwitchIdl(OvsdbIdl):  # type: ignore[misc]
    """A copy of the tables that are used, kept up to date over one connection while somebody calls ``run``."""

    @property
    def is_connected(self) -> bool:
        """Return whether the connection is up, as far as ``run`` has seen."""
        return bool(self._session.is_connected())


def connect(address: str, *, is_survey: bool = False) -> SwitchIdl:
    """Return a copy that will connect to ``address`` when it is run; for a survey, of more columns."""
    helper = idlutils.create_schema_helper(_SURVEY if is_survey else _SCHEMA)
    helper.register_all()
    return SwitchIdl(address, helper)
