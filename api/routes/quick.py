"""A route that answers plain requests without the tree of dependencies, which takes longer than all the rest."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.callers import BEARER, caller_of, may, own_job_id
from api.state import state_of

_may_read = may("read")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class QuickJobRoute(APIRoute):
    """Reads a job's id and the header `Prefer` itself; a request with a query goes FastAPI's way.

    Both ways ask the same functions in the same order, and the interface's document is written from the endpoint.
    """

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        usual, endpoint = super().get_route_handler(), self.endpoint

        async def answer(request: Request) -> Response:
            if request.scope["query_string"]:
                return await usual(request)
            caller = await caller_of(request, await BEARER(request))
            await _may_read(caller, request)
            job_id = await own_job_id(request.path_params["job_id"], caller, request)
            prefer = request.headers.get("prefer")
            response: Response = await endpoint(
                job_id=job_id, state=state_of(request), request=request, prefer=prefer, inline=False
            )
            return response

        return answer
