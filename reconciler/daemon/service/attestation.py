"""The attestation service's routes: what a node may say, from where, and what it is told.

Rules: an airlock serves its own node's sessions only; an enclave network serves
sessions that exist, and opens none; only a call from an enclave network confirms.
Every refusal looks the same (403), every malformed message too (400); the reason goes
to our log. A body is bounded in size and in time. Nothing is judged and no key is held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.daemon.service import credential, messages
from reconciler.daemon.service.bell import Bell
from reconciler.daemon.service.journal import note
from reconciler.daemon.service.places import Airlock, EnclaveNetwork, Locate, Place
from reconciler.drivers.spool.front import RefusedError, SpoolFront, Submission
from reconciler.errors.taxonomy import RingfenceError, TransientError
from reconciler.model.base import Value
from reconciler.ports.attestation import Answer

BODY_LIMIT = 1 << 17
EVIDENCE_LIMIT = 8 << 20
"""Only evidence may be long: it carries logs."""

_BODY_S = 15.0
M = TypeVar("M", bound=Value)
Handler = Callable[[Request, Place], Awaitable[tuple[HTTPStatus, dict[str, Any]]]]


class _MalformedError(Exception):
    """The request is not what it must be; the status says how."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class AttestationService:
    """The routes over one spool."""

    def __init__(self, front: SpoolFront, *, bell: Bell, locate: Locate) -> None:
        """Serve from ``front``; ``locate`` says where a request comes from."""
        self._front = front
        self._bell = bell
        self._locate = locate

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            self._route("POST", "enrol", self._enrol),
            self._route("POST", "activate", self._activate),
            self._route("GET", "challenge", self._challenge),
            self._route("POST", "evidence", self._evidence),
            self._route("GET", "verdict", self._verdict),
            self._route("POST", "acknowledge", self._acknowledge),
            self._route("POST", "confirm", self._confirm),
        ]

    async def _enrol(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = await _body(request, messages.Enrol)
        if not isinstance(place, Airlock):
            raise RefusedError("a session is opened in an airlock only")

        def enrol() -> dict[str, Any]:
            issued = credential.issue(ek_certificate=message.ek_certificate, ak_public=message.ak_public)
            session = self._front.open_session(
                place.node, ek_certificate=message.ek_certificate, ak_public=message.ak_public, issued=issued
            )
            return {
                "session": session,
                "credential_blob": messages.encode(issued.credential_blob),
                "encrypted_secret": messages.encode(issued.encrypted_secret),
            }

        return HTTPStatus.OK, await run_sync(enrol)

    async def _activate(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = await _body(request, messages.Activate)
        await self._admit(place, message.session)
        challenge = await run_sync(lambda: self._front.activate(message.session, secret=message.secret))
        return HTTPStatus.OK, messages.challenge_document(challenge)

    async def _challenge(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = _query(request, messages.ChallengeQuery)
        await self._admit(place, message.session)
        challenge = await run_sync(self._front.issue_challenge, message.session)
        return HTTPStatus.OK, messages.challenge_document(challenge)

    async def _evidence(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = await _body(request, messages.Evidence, limit=EVIDENCE_LIMIT)
        await self._admit(place, message.session)
        submission = Submission(
            nonce=bytes.fromhex(message.nonce),
            ephemeral=message.ephemeral,
            quote=message.quote,
            signature=message.signature,
            pcrs={int(number): bytes.fromhex(value) for number, value in message.pcrs.items()},
            event_log=message.event_log,
            ima_log=message.ima_log,
        )
        await run_sync(self._front.store_evidence, message.session, submission)
        return HTTPStatus.ACCEPTED, {}

    async def _verdict(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = _query(request, messages.VerdictQuery)
        await self._admit(place, message.session)
        nonce = bytes.fromhex(message.nonce)

        def fetch() -> Answer | None:
            return self._front.fetch_answer(message.session, nonce=nonce)

        answer = None
        with anyio.move_on_after(message.wait):
            while answer is None:
                with self._bell.listening() as rung:
                    answer = await run_sync(fetch)
                    if answer is None:
                        await rung.wait()
        return HTTPStatus.OK, messages.verdict_document(answer or await run_sync(fetch))

    async def _acknowledge(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = await _body(request, messages.Acknowledge)
        await self._admit(place, message.session)
        nonce = bytes.fromhex(message.nonce)
        await run_sync(lambda: self._front.acknowledge(message.session, nonce=nonce, receipts=message.receipts))
        return HTTPStatus.OK, {}

    async def _confirm(self, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any]]:
        message = await _body(request, messages.Confirm)
        if not isinstance(place, EnclaveNetwork):
            raise RefusedError("an airlock is no place to confirm from")
        await run_sync(lambda: self._front.confirm(message.session, network=place.network))
        return HTTPStatus.OK, {}

    async def _admit(self, place: Place, session: str) -> None:
        """Refuse sessions that are not at home in ``place``."""
        node = await run_sync(self._front.node_of, session)
        if isinstance(place, Airlock) and place.node != node:
            raise RefusedError(f"a session of node {node} is not served here")

    def _route(self, method: str, name: str, handler: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            place = self._locate(request.scope)
            status, document, why = await _outcome(handler, request, place)
            note(name, place=str(place), status=int(status), **({"why": why} if why else {}))
            return JSONResponse(document, status_code=status)

        return Route(f"/v1/{name}", endpoint, methods=[method])


async def _outcome(handler: Handler, request: Request, place: Place) -> tuple[HTTPStatus, dict[str, Any], str]:
    """Return status, answer and (for our log only) the reason; every failure is a uniform answer."""
    try:
        status, document = await handler(request, place)
    except _MalformedError as error:
        return error.status, {"error": "malformed"}, error.status.phrase
    except ClientDisconnect:
        return HTTPStatus.BAD_REQUEST, {"error": "malformed"}, "the node hung up"
    except TransientError as error:
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "busy"}, error.message
    except RingfenceError as error:
        return HTTPStatus.FORBIDDEN, {"error": "refused"}, error.message
    return status, document, ""


async def _body(request: Request, kind: type[M], *, limit: int = BODY_LIMIT) -> M:
    """Read a message, within the limits of size and time."""
    body = bytearray()
    try:
        with anyio.fail_after(_BODY_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _MalformedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return kind.model_validate_json(bytes(body))
    except TimeoutError as error:
        raise _MalformedError(HTTPStatus.REQUEST_TIMEOUT) from error
    except ValidationError as error:
        raise _MalformedError(HTTPStatus.BAD_REQUEST) from error


def _query(request: Request, kind: type[M]) -> M:
    """Read a query; every parameter once."""
    items = request.query_params.multi_items()
    if len(dict(items)) != len(items):
        raise _MalformedError(HTTPStatus.BAD_REQUEST)
    try:
        return kind.model_validate(dict(items))
    except ValidationError as error:
        raise _MalformedError(HTTPStatus.BAD_REQUEST) from error
