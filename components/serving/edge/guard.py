"""Access to changes over HTTP: only with the admin token, which has no default, and never from another site."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from components.errors import UserInputError
from components.serving.edge.errors import RefusedError
from components.serving.edge.limits import REFUSED

__all__ = ["LEAST_LETTERS", "Guard", "Guarded", "admin_token", "require_allowed"]

LEAST_LETTERS = 16
_TOKEN = "SHOTLINE_ADMIN_TOKEN"
_TOKEN_FILE = "SHOTLINE_ADMIN_TOKEN_FILE"
_LINK = "SHOTLINE_ADMIN_LINK"
_PERIOD_S = 60.0
_MOST_WRONG = 10  # wrong tokens of one client per period
_MOST_CLIENTS = 1_000
_ALLOWED = "shotline.allowed"


def admin_token(environment: Mapping[str, str] | None = None) -> str | None:
    """The token of `SHOTLINE_ADMIN_TOKEN`, or of the file that `SHOTLINE_ADMIN_TOKEN_FILE` names; None if neither is set.

    Raises:
        UserInputError: it is too short, it has characters that a header cannot have, or other users may read the file.
    """
    said = os.environ if environment is None else environment
    on, token = _TOKEN, said.get(_TOKEN)
    if token is None and (named := said.get(_TOKEN_FILE)):
        on, path = named, Path(named)
        try:
            mode, token = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "no text"
            raise UserInputError(
                f"the admin token's file cannot be read: {why}", on=named, remedy=f"correct {_TOKEN_FILE}"
            ) from None
        if mode & 0o077:
            raise UserInputError(
                f"others may read the admin token: the file's mode is {mode & 0o777:o}",
                on=named,
                remedy=f"keep it to yourself: chmod 600 {named}",
            )
    if token is not None and not re.fullmatch(rf"[\x21-\x7e]{{{LEAST_LETTERS},}}", token):
        raise UserInputError(
            f"the admin token has {len(token)} letters, or holds a space or a letter that is not ASCII",
            on=on,
            remedy=f"use {LEAST_LETTERS} letters or more: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return token


class Guard:
    """Compares tokens in constant time, and slows down clients that send wrong ones.

    Args:
        token: None: nobody has access.
        link: a file with the SHA-256 of the one-time code in the link that `shotline serve` prints; the first use of
            the code deletes it. None: there is no such link.
        pause_s: seconds that a wrong token waits for its answer.
        clock: gives seconds.
    """

    def __init__(
        self,
        token: str | None,
        link: Path | None = None,
        *,
        pause_s: float = 1.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._token = token
        self._link = link
        self._pause_s = pause_s
        self._clock = clock
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    @classmethod
    def said(cls) -> Guard:
        """The guard that the environment describes; raises as `admin_token`."""
        link = os.environ.get(_LINK)
        return cls(admin_token(), Path(link) if link else None)

    @property
    def has_token(self) -> bool:
        """Whether there is a token."""
        return self._token is not None

    async def check(self, scope: Scope) -> None:
        """Check a request's token.

        Raises:
            RefusedError: 401, after a pause, if the token is wrong or missing; 403 if the service has none, or the
                request is from another site; 429 after many wrong tokens of that client, for any token.
        """
        headers = Headers(scope=scope)
        _require_same_site(headers)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if self._token is None:
            raise RefusedError(
                HTTPStatus.FORBIDDEN,
                "no_admin_token",
                "this service has no admin token, so nothing can be changed or looked at through it",
                f"start it with {_TOKEN} set ({LEAST_LETTERS} letters or more), or with {_TOKEN_FILE}; `shotline serve` "
                "on this machine prints a link that carries one",
            )
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized("the request carries no admin token")
        await self._compare(scope, token.strip(), self._token, "the admin token is wrong")

    async def exchange(self, scope: Scope, code: str) -> str:
        """The token, in exchange for the one-time code of the link that `shotline serve` printed.

        Raises:
            RefusedError: as `check`; the code is wrong, or was used.
        """
        _require_same_site(Headers(scope=scope))
        link = self._link
        used = "the link is not the one that was printed last, or it was used already"
        kept = link.read_text(encoding="utf-8").strip() if link is not None and link.is_file() else ""
        await self._compare(scope, hashlib.sha256(code.encode()).hexdigest(), kept or "nothing", used)
        assert link is not None
        try:
            link.unlink()  # of two concurrent uses, one succeeds
        except FileNotFoundError:
            raise _unauthorized(used) from None
        assert self._token is not None
        return self._token

    async def _compare(self, scope: Scope, given: str, wanted: str, told: str) -> None:
        client = (scope.get("client") or ("",))[0]
        self._require_few_wrong(client)
        if hmac.compare_digest(_digest(given), _digest(wanted)):
            return
        self._note_wrong(client)
        await asyncio.sleep(self._pause_s)
        raise _unauthorized(told)

    def _require_few_wrong(self, client: str) -> None:
        now = self._clock()
        recent = [time for time in self._wrong.get(client, ()) if now - time < _PERIOD_S]
        if len(recent) >= _MOST_WRONG:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_wrong_tokens",
                f"this client has sent {len(recent)} wrong tokens within a minute; no more are looked at for now",
                "wait, then send the right one",
                headers={"retry-after": str(int(_PERIOD_S - (now - recent[0])) + 1)},
            )

    def _note_wrong(self, client: str) -> None:
        now = self._clock()
        recent = [time for time in self._wrong.pop(client, []) if now - time < _PERIOD_S]
        self._wrong[client] = [*recent, now]
        if len(self._wrong) > _MOST_CLIENTS:
            self._wrong.popitem(last=False)


class Guarded:
    """ASGI middleware: it checks a request to a guarded address before any of its body is read.

    A refused request is passed on, so that it is logged and counted; `limits.refused` answers it.

    Args:
        app: what answers.
        guard: see `Guard`.
        is_guarded: whether a path needs the token.
    """

    def __init__(self, app: ASGIApp, guard: Guard, is_guarded: Callable[[str], bool]) -> None:
        self._app = app
        self._guard = guard
        self._is_guarded = is_guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else through."""
        if scope["type"] == "http" and self._is_guarded(scope["path"]):
            try:
                await self._guard.check(scope)
                scope = {**scope, _ALLOWED: True}
            except RefusedError as refusal:
                scope = {**scope, REFUSED: refusal.response}
        await self._app(scope, receive, send)


def require_allowed(scope: Scope) -> None:
    """Check that a request has passed `Guarded`, so that a route mounted without it answers nobody.

    Raises:
        RefusedError: it has not.
    """
    if not scope.get(_ALLOWED):
        raise _unauthorized("the request carries no admin token")


def _require_same_site(headers: Headers) -> None:
    """Refuse a browser's request for another site's page, by Fetch Metadata or `Origin`."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host", "")
    if foreign:
        raise RefusedError(
            HTTPStatus.FORBIDDEN,
            "other_site",
            "a page of another site sent this, and only the service's own page may",
            "use the service's own page, or a program",
        )


def _unauthorized(what: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        what,
        "send it as a header: Authorization: Bearer TOKEN; `shotline serve` prints a link that carries one",
        headers={"www-authenticate": "Bearer"},
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
