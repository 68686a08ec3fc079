"""Run the agent; exit with the taxonomy's code (3 when the node was rejected)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing

from reconciler.errors.taxonomy import RingfenceError


def main(arguments: Sequence[str]) -> int:
    """Live the node's life; the one seam where an error becomes a line and an exit code."""
    os.environ.setdefault("TSS2_LOG", "all+none")  # the TPM library would write to the console by itself
    from reconciler.agent.console import say

    try:
        _live(arguments)
    except RingfenceError as error:
        say(f"error: {error}")
        if error.hint:
            say(f"hint: {error.hint}")
        return error.exit_code
    return 0


def _live(arguments: Sequence[str]) -> None:
    from reconciler.agent.console import say
    from reconciler.agent.keys import KeyRing
    from reconciler.agent.life import Life, Workload
    from reconciler.agent.network import DhcpNetwork, FixedNetwork, Network
    from reconciler.agent.session import Session
    from reconciler.agent.settings import load_settings
    from reconciler.agent.tpm import Tpm
    from reconciler.agent.wire import Wire

    settings = load_settings(arguments)
    say(f"started, {time.clock_gettime(time.CLOCK_BOOTTIME):.2f} s after the kernel")
    network: Network
    if settings.services:
        network = FixedNetwork(settings.services)
    else:
        network = DhcpNetwork(busybox=settings.busybox, run=settings.run, interface=settings.interface)
    keys = KeyRing(settings.keys)
    with (
        closing(Wire(pin=settings.pin, port=settings.port)) as wire,
        Tpm(settings.tcti) as tpm,
        Workload(settings.workload, keys=settings.keys) as workload,
    ):
        session = Session(tpm=tpm, wire=wire, keys=keys, event_log=settings.event_log, ima_log=settings.ima_log)
        Life(session=session, wire=wire, network=network, workload=workload).live(rounds=settings.rounds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
