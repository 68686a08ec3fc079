"""What a document may say of a BMC."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from reconciler.model.kinds import Bmc

PIN = "sha256:" + "a" * 64


def bmc(**fields: object) -> Bmc:
    known = {"driver": "redfish", "address": "10.0.3.7", "credentials": "bmc/n1"}
    return Bmc.model_validate_json(json.dumps(known | fields))


def test_port_is_the_drivers_usual_one_unless_another_is_said() -> None:
    assert bmc().listens_on == 443
    assert bmc(driver="ipmi").listens_on == 623
    assert bmc(driver="ipmi", port=9623).listens_on == 9623


@pytest.mark.parametrize("fields", [{"certificate": PIN}, {"system": "1"}, {"networkBoot": "http"}])
def test_what_is_redfishs_goes_with_redfish(fields: dict[str, str]) -> None:
    assert bmc(**fields).driver == "redfish"
    with pytest.raises(ValidationError, match="go with driver redfish"):
        bmc(driver="ipmi", **fields)


@pytest.mark.parametrize("system", ["", "a/b", "../x", "-x", "x y"])
def test_system_is_one_part_of_a_path(system: str) -> None:
    with pytest.raises(ValidationError):
        bmc(system=system)
