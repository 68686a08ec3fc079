"""A light node from power-on to its agent: what firmware, stub and kernel do on a machine, relived.

Run as ``firmware NODE`` in the node's namespaces; a tmpfs of the node's own is its memory. In this order:

1. its TPM is powered on, unstarted;
2. DHCP as a UEFI HTTP boot client, and the image that the answer names is fetched, until there is one;
3. the recorded log takes the events of exactly these bytes, as the verifier predicts them (a
   log that the operator gave is left as it is);
4. the TPM is brought to that log;
5. this process becomes the real agent, with the command line of the image that was fetched.

It never looks at what is assigned: what it measures is what it was served, by whomever.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.attest.prediction.uki import predict
from reconciler.errors.taxonomy import RingfenceError, TransientError, cut
from reconciler.lab import layout, light, recorded, relive, topology
from reconciler.lab.process import environment, run

_TPM_DEADLINE_S = 10.0
_DHCP_DEADLINE_S = 20.0
_FETCH_DEADLINE_S = 30.0
_IMAGE_LIMIT = 512 * 1024 * 1024
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_HTTP_BOOT = ("-V", "HTTPClient:Arch:00016:UNDI:003001", "-x", "0x5d:0010", "-O", "bootfile")
"""What an x64 UEFI HTTP boot client says of itself (RFC 4578, 2.1; UEFI 2.10, 24.7)."""
_LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip addr flush dev "$interface" && ip addr add "$ip/$mask" dev "$interface" && echo "${{bootfile:-$boot_file}}" >'{file}'
"""


def say(text: str) -> None:
    """Write one line to the console."""
    sys.stdout.write(f"light-firmware: {text}\n")
    sys.stdout.flush()


def power_tpm(state: Path, *, socket: Path) -> None:
    """Power the TPM on (1); it ends with this namespace."""
    argv = [
        "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", "not-need-init",
        "--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl",
    ]  # fmt: skip
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _TPM_DEADLINE_S
    while not Path(f"{socket}.ctrl").exists() or not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise TransientError("tpm", "does not start", reason="LabTimeout")
        time.sleep(0.005)


def ask(memory: Path) -> str:
    """Do one DHCP exchange as a UEFI HTTP boot client and return the URL to boot from; TransientError for none."""
    answer, script = memory / "boot-url", memory / "boot-script"
    answer.unlink(missing_ok=True)
    layout.write_file(script, _LEASE_SCRIPT.format(file=answer), mode=0o700)
    argv = ["busybox", "udhcpc", "-n", "-q", "-f", "-t", "4", "-T", "1", "-i", topology.LIGHT_INTERFACE]
    try:
        subprocess.run(
            [*argv, *_HTTP_BOOT, "-s", str(script)],
            capture_output=True, timeout=_DHCP_DEADLINE_S, check=False, env=environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TransientError("network", "udhcpc hangs", reason="LabTimeout") from error
    url = answer.read_text(encoding="ascii", errors="replace").strip() if answer.exists() else ""
    if not url:
        raise TransientError("network", "no DHCP answer that names an image", reason="LabNotBooted")
    return url


def fetch(url: str) -> bytes:
    """Return what ``url`` serves; TransientError where nothing is served."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise TransientError("network", f"cannot boot from {cut(url)}", reason="LabNotBooted")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=_FETCH_DEADLINE_S)
    try:
        connection.request("GET", parts.path or "/")
        response = connection.getresponse()
        content = response.read(_IMAGE_LIMIT + 1)
    except (OSError, http.client.HTTPException) as error:
        raise TransientError("network", f"no image: {cut(repr(error))}", reason="LabNotBooted") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK or len(content) > _IMAGE_LIMIT:
        raise TransientError("network", f"no image: status {response.status}", reason="LabNotBooted")
    return content


def boot(memory: Path) -> bytes:
    """Ask and fetch until there is an image (2)."""
    run(["busybox", "ip", "link", "set", topology.LIGHT_INTERFACE, "up"])
    pauses = iter(_PAUSES_S)
    while True:
        try:
            url = ask(memory)
            image = fetch(url)
        except TransientError as error:
            say(f"{error}; asking again")
            time.sleep(next(pauses, _PAUSES_S[-1]))
        else:
            say(f"{len(image)} bytes from {url}")
            return image


def agent_argv(*, memory: Path, socket: Path) -> list[str]:
    """Return the real agent's command line, as a light node runs it."""
    return [
        sys.executable, "-m", "reconciler.agent", "--command-line", str(memory / "cmdline"),
        "--tcti", f"swtpm:path={socket}", "--event-log", str(memory / "eventlog"),
        "--interface", topology.LIGHT_INTERFACE, "--busybox", shutil.which("busybox") or "/bin/busybox",
        "--run", str(memory), "--keys", str(memory / "keys"), "--workload", str(memory / "no-workload"),
    ]  # fmt: skip


def live(name: str) -> None:
    """Do what the module's docstring says; the last step does not return."""
    home = layout.here().node(name)
    memory = layout.RUN / "light" / name
    socket = memory / "tpm"
    power_tpm(home / "tpm", socket=socket)  # 1
    image = boot(memory)  # 2
    predicted = predict(image)
    layout.write_file(memory / "cmdline", f"{predicted.command_line}\n")
    script = light.script_of(home)
    log, subject = light.log_of(home, script)
    if not script.log:  # 3
        log = recorded.with_image(log, measured=predicted.as_pcrs(), subject=subject)
    extended, sent = light.logs_for(log, script, subject=subject)
    relive.relive(recorded.read(extended, subject=subject), socket=str(socket), subject=subject)  # 4
    layout.write_file(memory / "eventlog", sent)
    say(f"TPM brought to {subject}; starting the agent")
    argv = agent_argv(memory=memory, socket=socket)
    os.execve(argv[0], argv, environment())  # noqa: S606  # 5; no shell is the point


def main(arguments: list[str]) -> int:
    """Live; an error ends the node, which is then off."""
    os.environ.setdefault("TSS2_LOG", "all+none")
    try:
        live(arguments[0])
    except RingfenceError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
