"""The version in the path: every call lies under `/v1` and, as the newest version, without it, too."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

V1 = "/v1"


class VersionPrefix:
    """Takes `/v1` for a part of the server's address, so that the routes, and the links in answers, know one path each.

    Not a redirect: clients would send an upload twice, and some make a GET of a redirected POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            root: str = scope.get("root_path", "")
            if scope["path"].removeprefix(root).startswith(f"{V1}/"):
                scope = dict(scope) | {"root_path": root + V1}
        await self.app(scope, receive, send)
