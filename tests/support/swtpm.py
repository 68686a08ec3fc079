"""A real software TPM for tests: swtpm with an EK certificate, on a socket in a folder of its own."""

from __future__ import annotations

import socket as sockets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEADLINE_S = 60.0


def make_state(folder: Path) -> Path:
    """Manufacture a TPM (RSA-2048 EK and its certificate, SHA-256 bank) and return its state's folder."""
    state = folder / "state"
    state.mkdir(parents=True)
    (folder / "setup.conf").write_text(
        f"create_certs_tool=/usr/bin/swtpm_localca\ncreate_certs_tool_config={folder}/localca.conf\n"
        f"create_certs_tool_options={folder}/localca.options\nactive_pcr_banks=sha256\n"
    )
    (folder / "localca.conf").write_text(
        f"statedir={folder}\nsigningkey={folder}/signkey.pem\n"
        f"issuercert={folder}/issuer.pem\ncertserial={folder}/serial\n"
    )
    (folder / "localca.options").write_text(
        "--platform-manufacturer Ringfence\n--platform-version 1\n--platform-model lab\n"
    )
    command = ["swtpm_setup", "--tpm2", "--tpmstate", str(state), "--config", str(folder / "setup.conf")]
    options = ["--create-ek-cert", "--rsa-keysize", "2048", "--lock-nvram", "--pcr-banks", "sha256"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": str(folder), "XDG_CONFIG_HOME": str(folder)}
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=_DEADLINE_S, env=environment)
    return state


@contextmanager
def running(state: Path, *, socket: Path) -> Iterator[str]:
    """Power the TPM on and start it; yield its TCTI; power it off."""
    with _powered(state, socket=socket, flags="not-need-init,startup-clear"):
        yield f"swtpm:path={socket}"


@contextmanager
def cold(state: Path, *, socket: Path) -> Iterator[str]:
    """Power the TPM on and leave it unstarted, as firmware finds it; yield its socket; power it off."""
    with _powered(state, socket=socket, flags="not-need-init"):
        yield str(socket)


@contextmanager
def _powered(state: Path, *, socket: Path, flags: str) -> Iterator[None]:
    command = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--flags", flags]
    places = ["--server", f"type=unixio,path={socket}", "--ctrl", f"type=unixio,path={socket}.ctrl"]
    process = subprocess.Popen([*command, *places], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _DEADLINE_S
        while not all(_listens(path) for path in (str(socket), f"{socket}.ctrl")):
            assert process.poll() is None, "swtpm ended at once"
            assert time.monotonic() < deadline, "swtpm did not start"
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        process.wait(timeout=_DEADLINE_S)


def _listens(path: str) -> bool:
    with sockets.socket(sockets.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0
