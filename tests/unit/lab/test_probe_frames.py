from __future__ import annotations

from reconciler.lab import probe

SOURCE = bytes.fromhex("525400770001")


def test_a_leak_is_looked_for_untagged_and_under_every_vlan() -> None:
    sent = probe.frames([0, 200], source=SOURCE, marker=b"marker")
    assert [frame[12:16].hex() for frame in sent] == ["88b56d61", "81000000", "810000c8"]
    assert all(frame[:12] == b"\xff" * 6 + SOURCE and b"marker" in frame and len(frame) >= 60 for frame in sent)


def test_only_a_reply_of_the_asked_address_counts() -> None:
    request = probe.arp_request(source=SOURCE, sender="10.77.1.201", target="10.77.1.1")
    assert len(request) == 60
    reply = bytearray(request)
    reply[21] = 2
    assert not probe.is_arp_reply(request, of="10.77.1.201")
    assert probe.is_arp_reply(bytes(reply), of="10.77.1.201")
    assert not probe.is_arp_reply(bytes(reply), of="10.77.1.1")
    assert not probe.is_arp_reply(b"", of="10.77.1.1")
