"""Keylime's runtime policies as documents of this repository: what comes out is what our own reader takes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from reconciler.attest.ima.keylime import PAYLOAD_TYPE
from reconciler.cli.operate import Output
from reconciler.cli.policy import document, import_policy, policy_yaml
from reconciler.errors.taxonomy import InputError, TrustError
from reconciler.model.kinds import AppraisalPolicy
from reconciler.model.policy import IMA_PCR
from reconciler.repo.documents import MAX_FILE_BYTES, parse_documents
from tests.support.imalogs import EC, STRANGER, pem_of

DIGEST = "ab" * 32
POLICY: dict[str, Any] = {
    "meta": {"version": 1},
    "digests": {"/usr/bin/true": [DIGEST], '/odd: "name" # \\ \u2028\U0001f600\x7f': [f"sha256:{DIGEST}"]},
    "excludes": ["/srv/.*"],
    "keyrings": {".ima": [DIGEST]},
    "ima": {"ignored_keyrings": [".evm"]},
}


def written(folder: Path, content: object) -> Path:
    path = folder / "policy.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def key_file(folder: Path, key: ec.EllipticCurvePrivateKey = EC) -> Path:
    path = folder / "key.pem"
    path.write_text(pem_of(key))
    return path


def sealed(content: object, *, key: ec.EllipticCurvePrivateKey = EC) -> dict[str, Any]:
    payload = json.dumps(content).encode()
    message = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signature = base64.b64encode(key.sign(message, ec.ECDSA(hashes.SHA256()))).decode()
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": "", "sig": signature}],
    }


def read_back(text: str) -> dict[str, Any]:
    """Return the document in ``text`` as the repository reads it, once the model took it."""
    documents, findings = parse_documents(text.encode(), path="policies/ima.yaml")
    assert findings == []
    (raw,) = documents
    AppraisalPolicy.model_validate_json(json.dumps(raw.value))
    assert isinstance(raw.value, dict)
    return raw.value


def test_a_policy_is_printed_as_a_document_that_the_repository_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_policy(written(tmp_path, POLICY), name="base")
    said = capsys.readouterr()
    found = read_back(said.out)
    assert said.out.startswith("# yaml-language-server: $schema=../schemas/appraisalpolicy.json\napiVersion: ")
    assert (found["kind"], found["metadata"]) == ("AppraisalPolicy", {"name": "base"})
    assert IMA_PCR in found["spec"]["pcrs"]
    assert found["spec"]["pcrs"] == list(range(11))
    assert found["spec"]["ima"] == {
        "digests": {name: [f"sha256:{DIGEST}"] for name in POLICY["digests"]},
        "buffers": {".ima": [f"sha256:{DIGEST}"]},
        "excludes": ["/srv/.*"],
        "ignoredKeyrings": [".evm"],
    }
    assert f'        - "sha256:{DIGEST}"\n' in said.out


def test_notes_stand_on_standard_error_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_policy(written(tmp_path, POLICY | {"surprise": 1}))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("note: ") for line in lines)
    assert any("'surprise' is not known here" in line for line in lines)


def test_json_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, POLICY)
    import_policy(path)
    text = capsys.readouterr().out
    import_policy(path, output=Output.JSON)
    assert json.loads(capsys.readouterr().out) == read_back(text)


def test_a_key_is_printed_as_its_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    der = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    keys = json.dumps({"pubkeys": [base64.b64encode(der).decode()]})
    import_policy(written(tmp_path, POLICY | {"verification-keys": keys}))
    text = capsys.readouterr().out
    assert "      - |\n        -----BEGIN PUBLIC KEY-----\n" in text
    assert read_back(text)["spec"]["ima"]["keys"] == [pem_of(EC)]


def test_a_policy_signed_by_the_key_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_policy(written(tmp_path, sealed(POLICY)), key=key_file(tmp_path))
    said = capsys.readouterr()
    assert "/usr/bin/true" in read_back(said.out)["spec"]["ima"]["digests"]
    assert "signature was not checked" not in said.err


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (POLICY, "PolicyUnsigned"),
        (sealed(POLICY, key=STRANGER), "PolicyUntrusted"),
        (sealed(POLICY) | {"payloadType": "text/plain"}, "PolicyUntrusted"),
    ],
)
def test_a_policy_that_the_key_did_not_sign_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object, reason: str
) -> None:
    with pytest.raises(TrustError) as caught:
        import_policy(written(tmp_path, content), key=key_file(tmp_path))
    assert (caught.value.reason, caught.value.exit_code) == (reason, 3)
    assert caught.value.hint
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("content", [b"\xff", b"{", b"not a policy", b'{"digests": 7}', b'{"excludes": ["x", 7]}'])
def test_a_malformed_policy_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        import_policy(written(tmp_path, content))
    assert caught.value.reason == "PolicyUnreadable"
    assert caught.value.hint


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="policy: no such file") as caught:
        import_policy(tmp_path / "policy")
    assert caught.value.hint
    with pytest.raises(InputError, match="key: no such file"):
        import_policy(written(tmp_path, POLICY), key=tmp_path / "key")


def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        import_policy(written(tmp_path, POLICY), name="Not a name")
    assert caught.value.reason == "PolicyInvalid"
    assert "--name" in caught.value.hint


def test_a_document_that_is_too_large_for_a_repository_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digests = {f"/usr/lib/{number}": [DIGEST] for number in range(MAX_FILE_BYTES // 64)}
    import_policy(written(tmp_path, {"digests": digests}))
    assert "import it in parts" in capsys.readouterr().err


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), st.none())
)
def test_any_path_comes_back_as_it_was(paths: dict[str, None]) -> None:
    digests = {path: [f"sha256:{DIGEST}"] for path in paths}
    found = document("ima", {"digests": digests} if digests else {})
    assert read_back(policy_yaml(found)) == found


def test_the_command_line_has_it_and_its_exit_codes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reconciler.cli.main", "policy", "import"]
    arguments = [str(written(tmp_path, POLICY)), "--key", str(key_file(tmp_path))]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("error: keylime policy: it is not signed")
    assert "\nhint: " in done.stderr
