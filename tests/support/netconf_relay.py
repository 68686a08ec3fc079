"""What stands between sshd and netconfd in tests: it passes messages on, and can be told to falsify some of them.

Run by sshd as its subsystem, with the folder of the peer as its argument, the command of the real subsystem after it.
The file ``fault`` in the folder says what goes wrong: ``refuse`` answers every edit with an error, ``half`` takes
port swp2 out of every edit (the switch says yes and does not do it), ``reboot`` kills netconfd when a commit comes,
``deaf`` passes a commit on and nothing after it, neither way.
Only messages that end with NETCONF 1.0's mark are understood, so the offer of 1.1 is taken out of both greetings.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

_END = b"]]>]]>"
_DEAF = threading.Event()
_NEWER = re.compile(
    rb"<(?:[A-Za-z0-9]+:)?capability>\s*urn:ietf:params:netconf:base:1\.1\s*</(?:[A-Za-z0-9]+:)?capability>"
)
_ENTRY = rb"(?:[A-Za-z0-9]+:)?(?:interface|PhysIf-list)>"
_SWP2 = re.compile(rb"<" + _ENTRY + rb"(?:(?!</" + _ENTRY + rb").)*>swp2<.*?</" + _ENTRY, re.DOTALL)
_ID = re.compile(rb'message-id="([^"]+)"')


def _fault(folder: Path) -> str:
    path = folder / "fault"
    return path.read_text() if path.exists() else ""


def _forward(folder: Path, message: bytes, child: subprocess.Popen[bytes]) -> None:
    """Pass one message on to netconfd, or do to it what the fault says."""
    fault = _fault(folder)
    assert child.stdin is not None
    if fault == "refuse" and b"edit-config>" in message:
        number = _ID.search(message)
        error = (
            b'<rpc-reply message-id="%s" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><rpc-error><error-type>'
            b"application</error-type><error-tag>access-denied</error-tag><error-severity>error</error-severity>"
            b"<error-message>not yours to change</error-message></rpc-error></rpc-reply>"
        ) % (number[1] if number else b"")
        os.write(1, error + _END)
        return
    if fault == "half" and b"edit-config>" in message:
        message = _SWP2.sub(b"", message)
    if fault == "reboot" and b"commit" in message:
        os.kill(int((folder / "netconfd.pid").read_text()), signal.SIGKILL)
    if fault == "deaf" and _DEAF.is_set():
        return
    if fault == "deaf" and b"commit>" in message:
        _DEAF.set()
    child.stdin.write(message + _END)
    child.stdin.flush()


def _back(child: subprocess.Popen[bytes]) -> None:
    """Pass on what netconfd says."""
    assert child.stdout is not None
    greeting = b""
    while _END not in greeting:
        chunk = os.read(child.stdout.fileno(), 1 << 16)
        if not chunk:
            os._exit(1)
        greeting += chunk
    os.write(1, _NEWER.sub(b"", greeting))
    while chunk := os.read(child.stdout.fileno(), 1 << 16):
        if not _DEAF.is_set():
            os.write(1, chunk)
    os._exit(0)


def main() -> None:
    """Relay until either side ends."""
    folder = Path(sys.argv[1])
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Thread(target=_back, args=(child,), daemon=True).start()
    waiting = b""
    while chunk := os.read(0, 1 << 16):
        waiting += chunk
        *whole, waiting = waiting.split(_END)
        for message in whole:
            _forward(folder, _NEWER.sub(b"", message), child)
    child.terminate()
    child.wait(timeout=10)


if __name__ == "__main__":
    main()
