"""The image service: ``GET /boot.efi`` in an airlock gives that node its image.

The stored file is hashed before it is served, unless it is still the one that was
hashed. Plain HTTP, since firmware has no trust to start from: what counts is what it
measures. HEAD and ranges are served, as UEFI HTTP boot asks for the length first.
"""

from __future__ import annotations

from http import HTTPStatus

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from reconciler.daemon.service.journal import note
from reconciler.daemon.service.places import Airlock, Locate
from reconciler.drivers.spool.front import SpoolFront
from reconciler.errors.taxonomy import RingfenceError, TransientError


class ImageService:
    """The route over one spool."""

    def __init__(self, front: SpoolFront, *, locate: Locate) -> None:
        """Serve from ``front``; ``locate`` says which airlock a request comes from."""
        self._front = front
        self._locate = locate

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/boot.efi", self._serve, methods=["GET", "HEAD"])]

    async def _serve(self, request: Request) -> Response:
        place = self._locate(request.scope)
        path = None
        status, why = HTTPStatus.NOT_FOUND, "nothing is assigned"
        if isinstance(place, Airlock):
            try:
                path = await run_sync(self._front.image_of, place.node)
            except TransientError as error:
                status, why = HTTPStatus.SERVICE_UNAVAILABLE, error.message
            except RingfenceError as error:
                why = error.message
        if path is None:
            note("image", place=str(place), status=int(status), why=why)
            return PlainTextResponse("", status_code=status)
        note("image", place=str(place), status=int(HTTPStatus.OK), method=request.method)
        return FileResponse(path, media_type="application/efi", headers={"Cache-Control": "no-store"})
