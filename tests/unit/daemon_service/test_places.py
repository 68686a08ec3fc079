"""Where a request comes from is told by the device it came over, in namespaces with real network devices."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.served import PROGRAM, write_settings

_ROOT = Path(__file__).resolve().parents[3]
_CALL = """
import http.client, sys
try:
    connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=2)
    connection.request("GET", "/boot.efi")
    print(connection.getresponse().status)
except OSError:
    print("silence")
"""
_STAGE = """
set -e
mount -t tmpfs none /run
ip link set lo up
for i in 1 2; do
    ip netns add node$i
    ip link add al$i type veth peer name eth0 netns node$i
    ip addr add 10.77.$i.1/24 dev al$i
    ip link set al$i up
    ip -n node$i addr add 10.77.$i.2/24 dev eth0
    ip -n node$i link set eth0 up
    ip -n node$i route add default via 10.77.$i.1
done
"$PYTHON" -c "$SERVE" 2> "$LOG" &
server=$!
for attempt in $(seq 200); do grep -q listening "$LOG" && break; sleep 0.05; done
for i in 1 2; do for j in 1 2; do
    echo "node$i asks 10.77.$j.1: $(ip netns exec node$i "$PYTHON" -c "$CALL" 10.77.$j.1)"
done; done
kill $server
wait $server
"""


def test_listener_hears_its_own_airlock_only(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is not installed")
    (tmp_path / "images").mkdir()
    listeners = [{"kind": "airlock", "node": f"n{i}", "interface": f"al{i}", "address": f"10.77.{i}.1"} for i in (1, 2)]
    settings = write_settings(tmp_path, listeners=listeners, imagePort=80, attestationPort=8443)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHON": sys.executable,
        "CALL": _CALL,
        "SERVE": PROGRAM,
        "LOG": str(tmp_path / "log"),
        "RINGFENCE_SETTINGS": str(settings),
    }
    begun = time.monotonic()
    done = subprocess.run(
        ["unshare", "-Urnm", "sh", "-c", _STAGE],
        env=environment, cwd=_ROOT, capture_output=True, timeout=60, check=False, text=True,
    )  # fmt: skip
    if "Operation not permitted" in done.stderr and not done.stdout:
        pytest.skip("namespaces are not allowed here")
    assert done.stdout.splitlines() == [
        "node1 asks 10.77.1.1: 404",
        "node1 asks 10.77.2.1: silence",
        "node2 asks 10.77.1.1: silence",
        "node2 asks 10.77.2.1: 404",
    ], done.stderr
    assert done.returncode == 0
    log = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert [line["place"] for line in log if line["event"] == "image"] == ["airlock/n1", "airlock/n2"]
    assert time.monotonic() - begun < 40
