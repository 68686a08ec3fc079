"""A hard end for blocking calls over sockets."""

from __future__ import annotations

import socket
import time

from reconciler.drivers.cutoff import Cutoff


def test_reader_is_woken_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Cutoff(0.1) as cutoff:
        cutoff.guard(ours)
        assert ours.recv(1) == b""
        assert cutoff.left_s == 0.0
        ours.close()


def test_socket_that_comes_too_late_is_cut_at_once() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Cutoff(0.01) as cutoff:
        time.sleep(0.05)
        cutoff.guard(ours)
        assert ours.recv(1) == b""


def test_socket_lives_on_when_the_deadline_was_kept() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Cutoff(0.05) as cutoff:
            cutoff.guard(ours)
        time.sleep(0.1)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"


def test_socket_that_is_closed_already_is_no_matter() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Cutoff(0.05) as cutoff:
        cutoff.guard(ours)
        ours.close()
        time.sleep(0.1)
        assert theirs.recv(1) == b""
