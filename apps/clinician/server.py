"""One process for the app, the sign-in and the HTTP service: routes, headers, and who may come in at all."""

from __future__ import annotations

import base64
import gc
import hashlib
import importlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import anyio
import streamlit as st
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import cdss
from apps.clinician import state
from apps.clinician.sign_in import sign_in_page

HERE = Path(__file__).parent
_OPEN = (
    "/health",
    "/sign-in",
    "/sign-out",
    "/app/static/",
    "/static/",
    "/_stcore/health",
    "/_stcore/host-config",
    "/favicon",
)
_IMPORTS = ("altair", "pandas", "shap", "xgboost", "sklearn")
_TIDY_S = 60
_CLOSED = 4401
_FORM_LIMIT = 8192
_UNKEPT = (b"cache-control", b"no-store")


def make_app(hospital: cdss.Hospital, settings: cdss.Settings) -> Any:
    """The ASGI application of a hospital.

    Parameters
    ----------
    hospital : cdss.Hospital
    settings : cdss.Settings

    Returns
    -------
    streamlit.App
    """
    state.hold(hospital)
    doors = _Doors(hospital, settings)
    routes = [
        Route("/health", doors.health),
        Route("/sign-in", doors.ask, methods=["GET"]),
        Route("/sign-in", doors.sign_in, methods=["POST"]),
        Route("/sign-out", doors.sign_out),
        Route("/role", doors.role),
        Route("/records/{case}.pdf", doors.pdf),
        Route("/ledger.ndjson", doors.ledger),
    ]
    return st.App(
        HERE / "app.py",
        routes=routes,
        middleware=[Middleware(_Guard, doors=doors)],
        lifespan=doors.lifespan,
        on_script_error=_say_reference,
    )


def _say_reference(error: Exception) -> bool:
    """Say that a page failed, with a code to report; what failed stays in the server's log."""
    code = hashlib.sha256(f"{type(error).__name__}{error}".encode()).hexdigest()[:4].upper()
    print(f"page failed ({code}): {type(error).__name__}", flush=True)
    if isinstance(error, cdss.CdssError):
        st.error(str(error), icon=None)
    else:
        st.error(f"This page failed. Nothing was recorded by it. Reload it; if it fails again, report code {code}.")
    return True


class _Doors:
    """The routes beside the app."""

    def __init__(self, hospital: cdss.Hospital, settings: cdss.Settings) -> None:
        self.hospital, self.settings = hospital, settings
        self.secure = settings.url.startswith("https://")

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[dict[str, Any]]:
        """Load what pages need, freeze it out of the collector's sight, and keep time."""
        for name in _IMPORTS:
            try:
                importlib.import_module(name)
            except ModuleNotFoundError:
                continue
        gc.collect()
        gc.freeze()  # what was imported is never garbage; a rerun then collects its own few objects only
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_time)
            yield {}
            tasks.cancel_scope.cancel()

    async def _keep_time(self) -> None:
        """Once a minute, end the reviews whose time is over."""
        while True:
            await anyio.sleep(_TIDY_S)
            try:
                await run_in_threadpool(self.hospital.catch_up)
            except cdss.CdssError as error:
                print(f"not done this minute: {error}", flush=True)

    async def health(self, request: Request) -> Response:
        """Whether the service can work."""
        try:
            well, said = await run_in_threadpool(self.hospital.health)
        except cdss.CdssError as error:
            well, said = False, {"status": "unavailable", "reasons": [str(error)]}
        return JSONResponse(said, status_code=200 if well else 503)

    async def ask(self, request: Request) -> Response:
        """The sign-in page."""
        return self._page(next_=_inside(request.query_params.get("next", "/")))

    def _page(self, *, next_: str, problem: str = "", status: int = 200) -> HTMLResponse:
        _, said = self.hospital.health()
        stopped = "; ".join(said.get("reasons", ()))
        page = sign_in_page(
            environment=self.hospital.environment,
            synthetic=self.hospital.synthetic,
            next_=next_,
            problem=problem,
            stopped=stopped,
        )
        return HTMLResponse(page, status_code=status)

    async def sign_in(self, request: Request) -> Response:
        """Check a password and begin a session."""
        if not _same_site(request, self.settings):
            return self._page(next_="/", problem="The form came from another page. Sign in here.", status=403)
        body = await request.body()
        if len(body) > _FORM_LIMIT:
            return self._page(next_="/", problem="The form is too long. Try again.", status=413)
        form = _form(body)
        next_ = _inside(form.get("next", "/"))
        login, password = form.get("login", ""), form.get("password", "")
        if not login or not password:
            return self._page(next_=next_, problem="Enter your user name and your password.", status=400)
        try:
            signed_in = await run_in_threadpool(self.hospital.sign_in, login, password, client="browser")
        except cdss.CdssError as error:
            status = 503 if error.exit_code == 6 else 401
            return self._page(next_=next_, problem=str(error), status=status)
        response = RedirectResponse(next_, status_code=303)
        self._give(response, signed_in.token)
        return response

    def _give(self, response: Response, token: str) -> None:
        response.set_cookie(
            state.COOKIE, token, httponly=True, secure=self.secure, samesite="strict" if not self._framed else "none",
            path="/",
        )  # fmt: skip

    @property
    def _framed(self) -> bool:
        return bool(self.settings.frame_ancestors) and self.secure

    async def sign_out(self, request: Request) -> Response:
        """End a session."""
        token = request.cookies.get(state.COOKIE)
        if token and _same_site(request, self.settings):
            await run_in_threadpool(self.hospital.sign_out, token)
        response = RedirectResponse("/sign-in", status_code=303)
        response.delete_cookie(state.COOKIE, path="/")
        response.headers["Clear-Site-Data"] = '"cache"'
        return response

    async def role(self, request: Request) -> Response:
        """Go on in another role of the same account."""
        token = request.cookies.get(state.COOKIE, "")
        if not _same_site(request, self.settings):
            return RedirectResponse("/", status_code=303)
        try:
            switched = await run_in_threadpool(self.hospital.switch_role, token, request.query_params.get("as", ""))
        except cdss.CdssError as error:
            return self._page(next_="/", problem=str(error), status=403)
        response = RedirectResponse("/", status_code=303)
        self._give(response, switched.token)
        return response

    async def pdf(self, request: Request) -> Response:
        """A decision record as PDF, for the person who asks; that it left is recorded first."""
        try:
            person = await run_in_threadpool(self.hospital.identify, request.cookies.get(state.COOKIE))
            number, content = await run_in_threadpool(self.hospital.print_record, person, request.path_params["case"])
        except cdss.CdssError as error:
            return Response(str(error), status_code=403 if error.exit_code == 5 else 409, media_type="text/plain")
        headers = {"Content-Disposition": f'attachment; filename="{number}.pdf"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/pdf", headers=headers)

    async def ledger(self, request: Request) -> Response:
        """The ledger as a stream that proves itself, for the auditor."""
        try:
            person = await run_in_threadpool(self.hospital.identify, request.cookies.get(state.COOKIE))
            lines = await run_in_threadpool(self.hospital.export_audit, person)
        except cdss.CdssError as error:
            return Response(str(error), status_code=403, media_type="text/plain")
        headers = {"Content-Disposition": 'attachment; filename="ledger.ndjson"', "Cache-Control": "no-store"}
        return StreamingResponse(iterate_in_threadpool(lines), media_type="application/x-ndjson", headers=headers)


class _Guard:
    """Nobody comes in without a session, and every answer carries the headers of the house."""

    def __init__(self, app: ASGIApp, doors: _Doors) -> None:
        self.app, self.doors = app, doors
        self.headers = _headers(doors.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if not path.startswith(_OPEN) and not await self._is_in(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _CLOSED})
                return
            if _is_document(scope):
                query = scope["query_string"].decode("latin-1")
                next_ = quote(path + (f"?{query}" if query else ""), safe="")
                await RedirectResponse(f"/sign-in?next={next_}", status_code=303)(scope, receive, self._sending(send))
                return
            await Response("Sign in first.", status_code=401)(scope, receive, self._sending(send))
            return
        await self.app(scope, receive, self._sending(send) if scope["type"] == "http" else send)

    async def _is_in(self, scope: Scope) -> bool:
        token = Request({**scope, "type": "http"}).cookies.get(state.COOKIE)
        if not token:
            return False
        try:
            return await run_in_threadpool(self.doors.hospital.is_signed_in, token)
        except cdss.CdssError:
            return False

    def _sending(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                    # After a sign-out, "back" asks here again instead of showing what the browser has kept.
                    headers = [pair for pair in headers if pair[0] != b"cache-control"] + [_UNKEPT]
                given = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in self.headers if pair[0] not in given]
            await send(message)

        return sending


def _headers(settings: cdss.Settings) -> list[tuple[bytes, bytes]]:
    ancestors = settings.frame_ancestors or "'none'"
    policy = (
        "default-src 'self'",
        f"script-src 'self' {' '.join(_inline_hashes())}",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        f"frame-ancestors {ancestors}",
    )
    found = {
        "content-security-policy": "; ".join(policy),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
        "cross-origin-opener-policy": "same-origin",
    }
    if not settings.frame_ancestors:
        found["x-frame-options"] = "DENY"
    return [(name.encode(), value.encode()) for name, value in found.items()]


def _inline_hashes() -> list[str]:
    """The hash of each inline script of the installed index page, so that no other inline script ever runs."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text("utf-8")
    found = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found)
    return [f"'sha256-{digest}'" for digest in digests]


def _is_document(scope: Scope) -> bool:
    accepts = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
    return scope["method"] == "GET" and "text/html" in accepts and not scope["path"].startswith("/_stcore")


def _same_site(request: Request, settings: cdss.Settings) -> bool:
    """Whether a request that changes something comes from a page of ours, as the browser itself says."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin in (settings.url, str(request.base_url).rstrip("/"))


def _inside(path: str) -> str:
    """A path of this app; anything that leads elsewhere becomes the start."""
    parts = urlsplit(path)
    fine = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and path.isprintable()
    return path if fine and "\\" not in path else "/"


def _form(body: bytes) -> dict[str, str]:
    from urllib.parse import parse_qsl

    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10))
    except (UnicodeDecodeError, ValueError):
        return {}
