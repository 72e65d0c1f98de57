"""Only who has the admin token passes, wrong ones are slowed, and no other site's page may use one."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserInputError
from components.serving.edge.errors import RefusedError
from components.serving.edge.guard import Guard, admin_token

TOKEN = "a-token-of-enough-letters"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def request(token: str | None = None, client: str = "1.2.3.4", **headers: str) -> dict[str, Any]:
    given = {**({} if token is None else {"authorization": f"Bearer {token}"}), "host": "shotline.example", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return {"type": "http", "headers": raw, "client": (client, 1)}


def check(guard: Guard, scope: dict[str, Any]) -> str | None:
    """The code of the refusal; None where it passes."""
    try:
        asyncio.run(guard.check(scope))
    except RefusedError as refused:
        return str(refused.response.body.decode().split('"')[3])
    return None


def test_the_right_token_passes_and_nothing_else_does() -> None:
    guard = Guard(TOKEN, pause_s=0)

    assert check(guard, request(TOKEN)) is None
    assert check(guard, request()) == "unauthorized"
    assert check(guard, request("")) == "unauthorized"
    assert check(guard, request(TOKEN[:-1])) == "unauthorized"
    assert check(guard, request(authorization=f"Basic {TOKEN}")) == "unauthorized"
    assert check(Guard(None, pause_s=0), request(TOKEN)) == "no_admin_token"


def test_a_client_with_many_wrong_tokens_is_not_listened_to_for_a_while_and_others_are() -> None:
    clock = Clock()
    guard = Guard(TOKEN, pause_s=0, clock=clock)
    for _ in range(10):
        assert check(guard, request("wrong" * 5)) == "unauthorized"

    assert check(guard, request(TOKEN)) == "too_many_wrong_tokens"  # else it could go on guessing at full speed
    assert check(guard, request(TOKEN, client="5.6.7.8")) is None
    clock.now = 61
    assert check(guard, request(TOKEN)) is None


def test_a_wrong_token_waits_for_its_answer() -> None:
    guard = Guard(TOKEN, pause_s=0.05)

    async def begin() -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(RefusedError):
            await guard.check(request("wrong" * 5))
        return loop.time() - begun

    assert asyncio.run(begin()) >= 0.05


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-site"}, False),
        ({"origin": "http://shotline.example"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({}, True),  # a program
    ],
)
def test_a_page_of_another_site_is_refused_even_with_the_token(headers: dict[str, str], passes: bool) -> None:
    assert check(Guard(TOKEN), request(TOKEN, **headers)) == (None if passes else "other_site")


def test_the_links_code_is_good_for_once(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.write_text(hashlib.sha256(b"code").hexdigest())
    guard = Guard(TOKEN, link, pause_s=0)

    with pytest.raises(RefusedError):
        asyncio.run(guard.exchange(request(), "another"))
    assert asyncio.run(guard.exchange(request(), "code")) == TOKEN
    with pytest.raises(RefusedError):
        asyncio.run(guard.exchange(request(), "code"))
    with pytest.raises(RefusedError):
        asyncio.run(Guard(TOKEN, pause_s=0).exchange(request(), ""))


def test_the_token_comes_from_the_environment_or_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)

    assert admin_token({}) is None
    assert admin_token({"SHOTLINE_ADMIN_TOKEN": TOKEN}) == TOKEN
    assert admin_token({"SHOTLINE_ADMIN_TOKEN_FILE": str(file)}) == TOKEN
    file.chmod(0o640)
    with pytest.raises(UserInputError, match="640"):
        admin_token({"SHOTLINE_ADMIN_TOKEN_FILE": str(file)})
    with pytest.raises(UserInputError, match="cannot be read"):
        admin_token({"SHOTLINE_ADMIN_TOKEN_FILE": str(tmp_path / "nothing")})


@pytest.mark.parametrize("token", ["", "short", "with a space in it...", "schlüssel-schlüssel"])
def test_a_weak_token_is_refused(token: str) -> None:
    with pytest.raises(UserInputError):
        admin_token({"SHOTLINE_ADMIN_TOKEN": token})
