from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.lab import tenant


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "jobs" / "n1").write_text("extend-pcr 14\n")
    service = tenant.server("127.0.0.1", port=0, jobs=tmp_path / "jobs", results=tmp_path / "results")
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield http.client.HTTPConnection("127.0.0.1", service.server_address[1], timeout=5)
    service.shutdown()
    thread.join(5)
    service.server_close()


def ask(peer: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    peer.request(method, path, body=body)
    answer = peer.getresponse()
    found = answer.status, answer.read()
    peer.close()
    return found


def test_the_tenants_service_answers_and_hands_out_jobs(peer: http.client.HTTPConnection) -> None:
    assert ask(peer, "GET", "/") == (200, b"blue service\n")
    assert ask(peer, "GET", "/jobs/n1") == (200, b"extend-pcr 14\n")
    assert ask(peer, "GET", "/jobs/n2")[0] == 404
    assert ask(peer, "GET", "/jobs/../results")[0] == 404


def test_results_are_kept_and_bounded(peer: http.client.HTTPConnection, tmp_path: Path) -> None:
    assert ask(peer, "POST", "/results/n1", b"done")[0] == 200
    assert (tmp_path / "results" / "n1").read_bytes() == b"done"
    assert ask(peer, "POST", "/results/n1", b"x" * 70_000)[0] == 413
    assert ask(peer, "POST", "/jobs/n1", b"x")[0] == 404
    assert (tmp_path / "results" / "n1").read_bytes() == b"done"
