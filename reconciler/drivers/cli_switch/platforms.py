"""The platforms that are known, one profile each. Ports are named as the running configuration names them.

Sources: the vendors' command references (NX-OS, EOS, OS10, Junos with Enhanced Layer 2 Software, Cumulus Linux 5 with
NVUE and the kernel's bridge). VLANs must be there already. Not written for: ports in a port channel (their
switch refuses), NX-OS with ``system default switchport shutdown`` (a shut port does not show as such), VLAN 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from reconciler.drivers.cli_switch.profile import Meaning, Profile, Reading, Writing
from reconciler.drivers.cli_switch.trunk import TrunkMeaning

_SECTION = re.compile(r"^interface (?P<port>\S+)$")
_HARMLESS_WORDS = (
    r"mtu|speed|duplex|spanning-tree|(no )?lldp|(no )?cdp|storm-control|load-interval|(no )?logging|fec|(no )?negotiate"
    r"|flowcontrol|(no )?snmp|beacon|error-correction|sflow|hardware|link-debounce|negotiation"
)
_LISTED = re.compile(r"switchport trunk allowed vlan (?:add )?([0-9,-]+|all|none)")
_TRUNK = TrunkMeaning(
    mode=re.compile(r"switchport mode trunk"),
    vlans=_LISTED,
    native=re.compile(r"switchport trunk native vlan (\d{1,4})"),
    usual_native=1,
    is_open=True,
    strange=re.compile(
        r"(?!switchport trunk native vlan \d{1,4}$)(?!switchport trunk allowed vlan (add )?([0-9,-]+|all|none)$)"
        r"switchport (trunk|dot1q-tunnel|vlan|private-vlan|voice) .*"
    ),
)
_SWITCHPORT = Meaning(
    access=re.compile(r"switchport access vlan (\d{1,4})"),
    shut=re.compile(r"^shutdown$"),
    label=re.compile(r"^description (\S.*)$"),
    harmless=re.compile(rf"switchport|switchport mode access|no shutdown|({_HARMLESS_WORDS})( .*)?"),
    stale=re.compile(r"switchport (trunk|voice|private-vlan|dot1q|vlan) .*"),
    trunk=_TRUNK,
)
_REFUSED = re.compile(r"^\s*(%|ERROR|Error:|Invalid|Command rejected|Permission denied)", re.MULTILINE)
_BUSY = re.compile(r"lock|another .*(session|user)|in progress|try again|maximum number of .*session", re.IGNORECASE)
_PLACE = ("switchport", "switchport access vlan {vlan}", "switchport mode access")

NXOS = Profile(
    driver="cisco_nxos",
    readings=(Reading(command="show running-config interface", line=_SECTION, is_list=True),),
    meaning=_SWITCHPORT,
    writing=Writing(
        begin=("configure terminal",),
        enter=("interface {port}",),
        negate="no {line}",
        place=_PLACE,
        name="description {node}",
        unname="no description",
        shut="shutdown",
        open="no shutdown",
        finish=("end",),
        cancel=("end",),
        save=("copy running-config startup-config",),
        saved=re.compile(r"copy complete", re.IGNORECASE),
    ),
    refusal=_REFUSED,
    busy=_BUSY,
)

EOS = Profile(
    driver="arista_eos",
    readings=(Reading(command="show running-config", line=_SECTION, is_list=True),),
    meaning=_SWITCHPORT,
    writing=Writing(
        # What a session of this name holds from before, after a crash, is thrown away first.
        begin=("enable", "configure session ringfence", "abort", "configure session ringfence"),
        enter=("interface {port}",),
        negate="no {line}",
        place=_PLACE,
        name="description {node}",
        unname="no description",
        shut="shutdown",
        open="no shutdown",
        finish=("commit",),
        cancel=("abort",),
        save=("write memory",),
        saved=re.compile(r"copy completed", re.IGNORECASE),
    ),
    refusal=_REFUSED,
    busy=_BUSY,
)

OS10 = Profile(
    driver="dell_os10",
    readings=(Reading(command="show running-configuration interface", line=_SECTION, is_list=True),),
    # What a trunk carries untagged is its access VLAN there, and it carries nothing else that is not listed.
    meaning=replace(
        _SWITCHPORT,
        trunk=replace(
            _TRUNK, native=re.compile(r"switchport access vlan (\d{1,4})"), is_open=False, is_native_own=True
        ),
    ),
    writing=Writing(
        begin=("start transaction", "configure terminal"),
        enter=("interface {port}",),
        negate="no {line}",
        place=_PLACE[1:],  # A port is a switch port as soon as it has a mode.
        name="description {node}",
        unname="no description",
        shut="shutdown",
        open="no shutdown",
        finish=("end", "commit"),
        cancel=("end", "discard"),
        save=("copy running-configuration startup-configuration",),
    ),
    refusal=_REFUSED,
    busy=_BUSY,
)

_UNIT = "interfaces {port} unit 0 family ethernet-switching"
JUNOS = Profile(
    driver="juniper_junos",
    readings=(
        Reading(
            command="show configuration interfaces | display inheritance | display set",
            line=re.compile(r"^set interfaces (?P<port>\S+) (?P<rest>.+)$"),
        ),
        Reading(
            command="show interfaces terse",
            line=re.compile(r"^(?P<port>[a-z][a-z0-9/:-]*)\s+(?P<rest>(up|down)\s+(up|down))\s*$"),
            is_list=True,
        ),
    ),
    meaning=Meaning(
        access=re.compile(r"unit 0 family ethernet-switching vlan members (\d{1,4})"),
        shut=re.compile(r"^disable$"),
        label=re.compile(r'^description "?([^"]*)"?$'),
        harmless=re.compile(
            r"(up|down)\s+(up|down)|mtu \d+|speed \S+|unit 0"
            r"|unit 0 family ethernet-switching( interface-mode access)?"
            r"|(ether|gigether)-options (no-)?(auto-negotiation|flow-control)"
        ),
        trunk=TrunkMeaning(
            mode=re.compile(r"unit 0 family ethernet-switching interface-mode trunk"),
            vlans=re.compile(r"unit 0 family ethernet-switching vlan members (\S+)"),
            native=re.compile(r"native-vlan-id (\d{1,4})"),
            strange=re.compile(r"unit (?!0 ).*|.* (vlan-tagging|encapsulation|input-vlan-map|output-vlan-map)\b.*"),
        ),
        spoiling=re.compile(r"^set interfaces (interface-range|apply-groups) "),
    ),
    writing=Writing(
        begin=("configure exclusive",),
        place=(
            f"delete {_UNIT}",
            "delete interfaces {port} native-vlan-id",
            f"set {_UNIT} interface-mode access",
            f"set {_UNIT} vlan members {{vlan}}",
        ),
        name="set interfaces {port} description {node}",
        unname="delete interfaces {port} description",
        shut="set interfaces {port} disable",
        open="delete interfaces {port} disable",
        finish=("commit and-quit",),
        cancel=("rollback 0", "exit configuration-mode"),
        done=re.compile(r"commit complete"),
    ),
    refusal=re.compile(r"^\s*(error:|syntax error|unknown command|invalid value)|check-out failed", re.MULTILINE),
    busy=re.compile(r"database (is )?locked|database modified|locked by", re.IGNORECASE),
)

_ELSE = " || echo refused"  # What a shell says of a program's failure, whatever the program says.
_MEMBER = "interface {port} bridge domain"
NVUE = Profile(
    driver="linux",
    readings=(
        Reading(command="/sbin/bridge vlan show", line=re.compile(r"^(?P<port>\S+)\s+(?P<rest>\d.*)$")),
        Reading(
            command="/sbin/ip -o link show",
            line=re.compile(r"^\d+: (?P<port>[^:@\s]+)(@\S+)?: (?P<rest><.*)$"),
            is_list=True,
        ),
    ),
    meaning=Meaning(
        access=re.compile(r"(\d{1,4}) PVID Egress Untagged"),
        shut=re.compile(r"^<(?![^>]*\bUP\b)[^>]*>"),
        label=re.compile(r"\balias (\S+)"),
        harmless=re.compile(r"<(?!.*\bmaster (?!br_default\b)).*"),
        trunk=TrunkMeaning(
            mode=None,
            vlans=re.compile(r"(\d{1,4})(?: PVID Egress Untagged)?"),
            native=re.compile(r"(\d{1,4}) PVID Egress Untagged"),
            strange=re.compile(r"(?!\d{1,4}( PVID Egress Untagged)?$)\d.*|<.*\bmaster (?!br_default\b).*"),
        ),
        spoiling=None,
    ),
    writing=Writing(
        begin=(f"nv config detach{_ELSE}",),
        place=(
            f"nv unset {_MEMBER}{_ELSE}",
            f"nv set {_MEMBER} br_default access {{vlan}}{_ELSE}",
        ),
        name=f"nv set interface {{port}} description {{node}}{_ELSE}",
        unname=f"nv unset interface {{port}} description{_ELSE}",
        shut=f"nv set interface {{port}} link state down{_ELSE}",
        open=f"nv set interface {{port}} link state up{_ELSE}",
        finish=(f"nv config apply -y{_ELSE}",),
        cancel=("nv config detach",),
        save=(f"nv config save{_ELSE}",),
        done=re.compile(r"applied"),
    ),
    refusal=re.compile(r"^refused$", re.MULTILINE),
    busy=re.compile(r"another .*apply|in progress|lock", re.IGNORECASE),
)

PLATFORMS: Mapping[str, Profile] = {"nxos": NXOS, "eos": EOS, "os10": OS10, "junos": JUNOS, "nvue": NVUE}
"""The profiles by ``spec.platform``."""
