"""One conversation with a BMC: HTTPS that is checked, one connection, and an end that nothing moves.

Rules: the certificate is the one that is pinned, or a CA vouches for it and the name; nothing is sent before that.
Every answer is bounded in size, and all of them together in time. Redirects are not followed, a login would go along.
Calls are not repeated here, except that sushy asks once more after a server's error. The environment is not asked for
proxies or logins.
"""

from __future__ import annotations

import io
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import sushy.connector
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.secret import Credentials
from reconciler.errors.taxonomy import DeviceError, TransientError, cut

_LARGEST_ANSWER = 4 * 1024 * 1024
logging.getLogger("sushy").addHandler(logging.NullHandler())  # What it has to say comes as exceptions as well.


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """Who vouches for a BMC: ``certificate`` is its own (``sha256:…`` over the DER), or ``ca`` a PEM file of CAs.

    With neither, the CAs that come with ``requests`` do, which know no BMC that was not given a public name.
    """

    certificate: str | None = None
    ca: Path | None = None


class _Adapter(HTTPAdapter):
    """requests' transport, with our certificate check, our deadline and our limit."""

    def __init__(self, *, vouching: Vouching, cutoff: Cutoff, subject: str) -> None:
        self._vouching = vouching
        self._cutoff = cutoff
        self._subject = subject
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as its base class has it
        super().init_poolmanager(*arguments, **options)
        cutoff, subject = self._cutoff, self._subject

        class Guarded(HTTPSConnection):
            def connect(self) -> None:
                try:
                    super().connect()
                except ssl.SSLCertVerificationError as error:
                    raise _stranger(subject, error.verify_message) from error
                except urllib3.exceptions.SSLError as error:  # not ssl's: only the comparison of a pin raises this
                    raise _stranger(subject, "is another one than the document says") from error
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
            message, hint = "the file of CAs for BMCs cannot be read", "see bmc_ca in the settings"
            raise DeviceError(self._subject, message, reason="BmcCertificate", hint=hint) from error

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - as its base class has it
        if self._cutoff.left_s <= 0.0:
            raise TransientError(self._subject, "no answer in time", reason="BmcSilent")
        options |= {"stream": True, "timeout": self._cutoff.left_s}
        answer = super().send(request, **options)
        body = answer.raw.read(_LARGEST_ANSWER + 1, decode_content=True)
        if len(body) > _LARGEST_ANSWER:
            answer.close()
            raise DeviceError(self._subject, "its BMC gives an answer that is too long", reason="BmcAnswer")
        answer.raw.release_conn()
        answer.raw = urllib3.HTTPResponse(
            body=io.BytesIO(body), status=answer.status_code, headers=answer.headers, preload_content=False
        )
        answer.headers.pop("Content-Encoding", None)
        return answer


def connect(  # noqa: PLR0913 - where, as whom, vouched for by whom, until when
    address: str, *, port: int, credentials: Credentials, vouching: Vouching, cutoff: Cutoff, subject: str
) -> sushy.connector.Connector:
    """Return sushy's connector to ``https://address:port``; it is the caller's to close."""
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address
    connector = sushy.connector.Connector(
        f"https://{host}:{port}",
        verify=str(vouching.ca) if vouching.ca else True,
        server_side_retries=1,  # 0 would stand for three tries and pauses of two seconds
    )
    session: requests.Session = connector._session  # noqa: SLF001 - sushy offers no other place for a transport
    session.trust_env = False
    session.max_redirects = 0
    session.headers.pop("Connection")  # One TLS handshake a conversation: a BMC's processor needs long for each.
    session.adapters.clear()
    session.mount("https://", _Adapter(vouching=vouching, cutoff=cutoff, subject=subject))
    connector.set_http_basic_auth(credentials.user, credentials.password.reveal().decode())
    return connector


def _stranger(subject: str, why: str) -> DeviceError:
    hint = "compare it at the BMC itself: certificate in the node's bmc, or the settings' bmc_ca"
    return DeviceError(subject, f"its BMC's certificate {cut(why)}", reason="BmcCertificate", hint=hint)
