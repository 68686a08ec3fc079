"""sushy's way to a BMC, with the transport of ``drivers.https`` in it.

Calls are not repeated here, except that sushy asks once more after a server's error.
"""

from __future__ import annotations

import logging

import requests
import sushy.connector

from reconciler.drivers.cutoff import Cutoff
from reconciler.drivers.https import Party, Vouching, prepare
from reconciler.drivers.secret import Credentials

logging.getLogger("sushy").addHandler(logging.NullHandler())  # What it has to say comes as exceptions as well.


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
    hint = "compare it at the BMC itself: certificate in the node's bmc, or the settings' bmc_ca"
    party = Party(subject=subject, called="its BMC", reasons="Bmc", hint=hint)
    session: requests.Session = connector._session  # noqa: SLF001 - sushy offers no other place for a transport
    prepare(session, party=party, credentials=credentials, vouching=vouching, cutoff=cutoff)
    return connector
