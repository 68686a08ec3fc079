"""One conversation over HTTPS: a certificate that is checked, answers that are bounded, an end that nothing moves.

Rules: the certificate is the one that is pinned, or a CA vouches for it and the name; nothing is sent before that.
Every answer is bounded in size, and all of them together in time. Redirects are not followed, a login would go along.
The environment is not asked for proxies, certificates or logins. Plain HTTP is for this machine only: tests.
"""

from __future__ import annotations

import io
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, TransientError, cut

_LARGEST_ANSWER = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """Who vouches for a service: ``certificate`` is its own (``sha256:…`` over the DER), or ``ca`` a PEM file of CAs.

    With neither, the CAs that come with ``requests`` do, which know nothing that was not given a public name.
    """

    certificate: str | None = None
    ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who is spoken to, for errors: ``node n1``, ``its BMC``, and what reasons begin with (``Bmc``)."""

    subject: str
    called: str
    reasons: str
    hint: str

    def stranger(self, why: str) -> DeviceError:
        """Return the error for a certificate that nobody vouches for."""
        message = f"{self.called} shows a certificate that is not trusted: {cut(why)}"
        return DeviceError(self.subject, message, reason=f"{self.reasons}Certificate", hint=self.hint)


def prepare(
    session: requests.Session, *, party: Party, credentials: Credentials, vouching: Vouching, cutoff: Cutoff
) -> None:
    """Make ``session`` keep this module's rules, and log in with every request."""
    session.trust_env = False
    session.max_redirects = 0
    session.headers.pop("Connection", None)  # One TLS handshake a conversation.
    session.auth = (credentials.user, credentials.password.reveal().decode())
    session.verify = str(vouching.ca) if vouching.ca else True
    session.adapters.clear()
    transport = _Adapter(vouching=vouching, cutoff=cutoff, party=party)
    session.mount("https://", transport)
    session.mount("http://127.0.0.1", transport)


class _Adapter(HTTPAdapter):
    """requests' transport, with our certificate check, our deadline and our limit."""

    def __init__(self, *, vouching: Vouching, cutoff: Cutoff, party: Party) -> None:
        self._vouching = vouching
        self._cutoff = cutoff
        self._party = party
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as its base class has it
        super().init_poolmanager(*arguments, **options)
        cutoff, party = self._cutoff, self._party

        class Guarded(HTTPSConnection):
            def connect(self) -> None:
                try:
                    super().connect()
                except ssl.SSLCertVerificationError as error:
                    raise party.stranger(error.verify_message) from error
                except urllib3.exceptions.SSLError as error:  # not ssl's: only the comparison of a pin raises this
                    raise party.stranger("it is another one than the document says") from error
                cutoff.guard(self.sock)

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Guarded

        self.poolmanager.pool_classes_by_scheme = {"https": Pool}

    def build_connection_pool_key_attributes(
        self,
        request: requests.PreparedRequest,
        verify: Any,  # noqa: ANN401 - as its base class has it
        cert: Any = None,  # noqa: ANN401 - as its base class has it
    ) -> Any:  # noqa: ANN401 - as its base class has it
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._vouching.certificate is not None:
            pin = self._vouching.certificate.removeprefix("sha256:")
            pool = {"cert_reqs": "CERT_NONE", "assert_hostname": False, "assert_fingerprint": pin}
        return host, pool

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401 - as its base class has it
        if self._vouching.certificate is not None:
            return  # It would ask for a CA all the same.
        try:
            super().cert_verify(conn, url, verify, cert)
        except OSError as error:
            raise self._party.stranger("the file of CAs cannot be read") from error

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - as its base class has it
        if self._cutoff.left_s <= 0.0:
            raise TransientError(self._party.subject, "no answer in time", reason=f"{self._party.reasons}Silent")
        options |= {"stream": True, "timeout": self._cutoff.left_s}
        answer = super().send(request, **options)
        try:
            body = answer.raw.read(_LARGEST_ANSWER + 1, decode_content=True)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, request=request) from error
        if len(body) > _LARGEST_ANSWER:
            answer.close()
            message = f"{self._party.called} gives an answer that is too long"
            raise DeviceError(self._party.subject, message, reason=f"{self._party.reasons}Answer")
        answer.raw.release_conn()
        answer.raw = urllib3.HTTPResponse(
            body=io.BytesIO(body), status=answer.status_code, headers=answer.headers, preload_content=False
        )
        answer.headers.pop("Content-Encoding", None)
        return answer
