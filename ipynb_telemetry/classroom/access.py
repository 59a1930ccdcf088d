"""Who may read: whoever has the token. It comes in the address once, then as a cookie."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE_AGE_S = 30 * 24 * 3600
_SAFE_METHODS = {"GET", "HEAD"}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ASK = (
    "This is the teacher's view of a class. Open it with the whole address that "
    "`ipynb-telemetry serve` printed, with the token at its end."
)


class Access:
    """Lets readers with the token through to `app`, and nobody else.

    Args:
        app: What is to be read.
        token: What a reader must have.
        hosts: Names, besides this computer's own, under which it may be called. An address
            of numbers may always be: a page of someone else's that gives its name our
            address (DNS rebinding) still calls us by that name.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token
        own = socket.gethostname().lower()
        self._hosts = {"localhost", own, f"{own.partition('.')[0]}.local"}
        self._hosts |= {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal_or_redirect(HTTPConnection(scope))
        await (answer or self._app)(scope, receive, send_safely)

    def _refusal_or_redirect(self, request: HTTPConnection) -> Response | None:
        if not self._is_ours(request.headers.get("host", "")):
            return PlainTextResponse(
                "This computer is not called by that name here. Use its address, or start "
                "`ipynb-telemetry serve` with --allow-host and the name.",
                HTTPStatus.MISDIRECTED_REQUEST,
            )
        if not _is_same_origin(request):
            return PlainTextResponse("Asked for by another site.", HTTPStatus.FORBIDDEN)
        given = request.query_params.get("token")
        if given is not None and self._is_token(given):
            return self._with_cookie(request)
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        cookie = request.cookies.get(_cookie_name(request), "")
        if self._is_token(cookie) or (scheme.lower() == "bearer" and self._is_token(bearer)):
            return None
        return PlainTextResponse(_ASK, HTTPStatus.UNAUTHORIZED)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.strip().encode(), self._token.encode())

    def _is_ours(self, host_and_port: str) -> bool:
        try:
            host = urlsplit(f"//{host_and_port}").hostname or ""
        except ValueError:
            return False
        return host.rstrip(".") in self._hosts or _is_address(host)

    def _with_cookie(self, request: HTTPConnection) -> Response:
        """To the same address without the token: it shall not stay in the bar or the history."""
        others = [pair for pair in parse_qsl(request.url.query) if pair[0] != "token"]
        # The path alone, and never one of two slashes: that would be another site's.
        path = "/" + request.url.path.lstrip("/\\")
        answer = RedirectResponse(
            f"{path}?{urlencode(others)}" if others else path, HTTPStatus.SEE_OTHER
        )
        answer.set_cookie(
            _cookie_name(request),
            self._token,
            max_age=_COOKIE_AGE_S,
            httponly=True,
            # Not strict: the address is often clicked in a mail or a chat.
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer


def _is_same_origin(request: HTTPConnection) -> bool:
    """Whether no other site's page has asked; a browser says which page it was."""
    origin = request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host", "")
    site = request.headers.get("sec-fetch-site", "none")
    is_a_link = (
        request.headers.get("sec-fetch-mode") == "navigate"
        and request.scope["method"] in _SAFE_METHODS
    )
    return site in {"none", "same-origin"} or is_a_link


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _cookie_name(request: HTTPConnection) -> str:
    """With the port: browsers give all ports of a computer the same cookies."""
    return f"ipynb-telemetry-{request.url.port or 80}"
