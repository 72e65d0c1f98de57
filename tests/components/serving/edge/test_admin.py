"""What the workspace's routes take and answer, and that none answers without the token."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from filelock import FileLock
from PIL import Image
from starlette.types import ASGIApp

from components import background
from components.errors import RefusedByGateError
from components.files import sha256_bytes
from components.serving import training
from components.serving.edge import Admin, Guard, edge_application
from components.serving.edge.around import layers
from components.serving.edge.changes_process import ChangesProcess
from components.serving.edge.openapi import openapi_document
from components.serving.edge.probes import Readiness
from components.serving.place import Place
from tests.conftest import draw_photo

TOKEN = "a-token-of-enough-letters"
BEARER = {"authorization": f"Bearer {TOKEN}"}


async def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own loads for seconds; a story of the service has one."""

    async def run(self: ChangesProcess, change: Callable[..., Any], *arguments: Any) -> Any:
        return change(*arguments)

    monkeypatch.setattr(ChangesProcess, "run", run)


@pytest.fixture(scope="module")
def workspace(make_workspace: Callable[[], Path]) -> Path:
    """One in which nothing was trained."""
    return make_workspace()


def service(workspace: Path | None, token: str | None = TOKEN) -> ASGIApp:
    place = Place(workspace / "models", workspace) if workspace else Place(Path("/nowhere"), None)
    guard = Guard(token, pause_s=0)
    readiness = Readiness(never)
    return layers(edge_application(lambda: None, readiness, Admin(place, guard)), readiness, guard=guard)


def ask(app: ASGIApp, method: str, url: str, **request: Any) -> httpx.Response:
    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, url, **{"headers": BEARER, **request})

    return asyncio.run(answer())


def photo(tmp_path: Path, seed: int, hue: int = 0) -> bytes:
    draw_photo(tmp_path / f"{seed}.jpg", seed, hue)
    return (tmp_path / f"{seed}.jpg").read_bytes()


def guarded() -> list[tuple[str, str]]:
    """Every address that the document says needs the token."""
    return [
        (method.upper(), path.replace("{photo}", "0" * 64))
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
        if "security" in operation
    ]


def test_the_document_lists_every_address(workspace: Path) -> None:
    app = edge_application(lambda: None, Readiness(never), Admin(Place(workspace / "models", workspace), Guard(TOKEN)))
    there = {
        (method.lower(), route.path)  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods  # type: ignore[attr-defined]
        if method != "HEAD"
    }
    told = {(method, path) for path, methods in openapi_document()["paths"].items() for method in methods}

    assert told - there == {
        ("get", "/livez"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    }  # answered before the routes, or after
    assert there <= told
    assert ask(service(workspace), "GET", "/openapi.json").json() == openapi_document()


@pytest.mark.parametrize(("method", "path"), guarded())
def test_no_address_of_the_workspace_answers_without_the_token(workspace: Path, method: str, path: str) -> None:
    app = service(workspace)
    alone = edge_application(
        lambda: None, Readiness(never), Admin(Place(workspace / "models", workspace), Guard(TOKEN))
    )

    assert ask(app, method, path, headers={}).status_code == 401
    assert ask(app, method, path, headers={"authorization": "Bearer wrong"}).status_code == 401
    assert ask(app, method, path, headers={**BEARER, "sec-fetch-site": "cross-site"}).json()["code"] == "other_site"
    assert ask(service(workspace, token=None), method, path).json()["code"] == "no_admin_token"
    # Should a layer be forgotten one day, the routes refuse by themselves.
    assert ask(alone, method, path, json={"name": "a"}).status_code == 401


def test_a_body_is_not_read_before_the_token_is_looked_at(workspace: Path) -> None:
    async def answer() -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/add_class",
            "query_string": b"",
            "headers": [],
            "client": ("c", 1),
        }
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("it was read")

        async def send(message: Any) -> None:
            sent.append(message)

        await service(workspace)(
            {**scope, "raw_path": b"/add_class", "root_path": "", "scheme": "http", "http_version": "1.1"},
            receive,
            send,
        )
        return int(sent[0]["status"])

    assert asyncio.run(answer()) == 401


def test_no_site_may_use_the_workspace_whatever_cors_says(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTLINE_CORS", "*")
    monkeypatch.setenv("SHOTLINE_ROOT_PATH", "/shotline")
    app = service(workspace)
    page = {"origin": "http://evil.example", "access-control-request-method": "POST"}

    assert ask(app, "OPTIONS", "/classify", headers=page).headers["access-control-allow-origin"] == "*"
    for path in ("/add_class", "/shotline/add_class", "/open", "/shotline/photos/1"):
        answer = ask(app, "OPTIONS", path, headers=page)
        assert answer.status_code >= 400
        assert "access-control-allow-origin" not in answer.headers
    assert (
        ask(app, "POST", "/shotline/add_class", headers={**BEARER, "origin": "http://evil.example"}).status_code == 403
    )


def test_without_a_workspace_it_says_what_to_do() -> None:
    app = service(None)
    for method, path in guarded():
        answer = ask(
            app,
            method,
            path,
            **(
                {"json": {"name": "a", "new_name": "b", "images": ["AAAA"], "photos": "0" * 64}}
                if method == "POST"
                else {}
            ),
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "no_workspace")
        assert "SHOTLINE_WORKSPACE" in answer.json()["remedy"]


def test_first_photos_go_into_the_photo_folder_and_are_shown(
    make_workspace: Callable[[], Path], tmp_path: Path
) -> None:
    workspace = make_workspace()
    app = service(workspace)
    contents = [photo(tmp_path, seed, hue=seed * 60) for seed in range(3)]
    sent = [("images", (f"../{number}.jpg", content)) for number, content in enumerate(contents)]

    answer = ask(
        app, "POST", "/add_class", data={"name": "torn fabric"}, files=[*sent, ("images", ("bad.jpg", b"no"))]
    ).json()

    assert (answer["class"], answer["photos"], answer["version"]) == ("torn fabric", 3, None)
    assert answer["refused_photos"] == [{"path": "bad.jpg", "reason": "unreadable"}]
    assert ask(app, "GET", "/classes").json() == [
        {"class": "torn fabric", "kind": "to_train", "since": None, "photos": 3}
    ]
    assert {path.read_bytes() for path in (workspace / "data/raw/torn fabric").iterdir()} == {*contents}
    [photos] = ask(app, "GET", "/photos").json().values()
    assert sorted(photos) == sorted(map(sha256_bytes, contents))
    thumbnail = ask(app, "GET", f"/photos/{photos[0]}")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(thumbnail.content)).size == (64, 48)

    assert ask(app, "POST", "/rename_class", json={"name": "torn fabric", "new_name": "torn"}).json()["class"] == "torn"
    assert ask(app, "POST", "/remove_class", json={"name": "torn"}).status_code == 200
    assert ask(app, "GET", "/classes").json() == []
    [aside] = (workspace / "data").glob("raw.removed-*")
    assert len([*(aside / "torn").iterdir()]) == 3  # nothing is lost


@pytest.mark.parametrize("name", ["..", "../../etc", "a/b", ".hidden", "unknown", "x" * 101, "\x00a"])
def test_no_name_leads_out_of_the_photo_folder(workspace: Path, tmp_path: Path, name: str) -> None:
    before = sorted(workspace.rglob("*"))
    answer = ask(
        service(workspace), "POST", "/add_class", data={"name": name}, files=[("images", ("a.jpg", photo(tmp_path, 1)))]
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "not_usable")
    assert [path for path in sorted(workspace.rglob("*")) if path.suffix != ".lock"] == [
        path for path in before if path.suffix != ".lock"
    ]


@pytest.mark.parametrize(
    "asked", ["../../params.yaml", "%2e%2e%2fparams.yaml", "/etc/passwd", "params.yaml", "0" * 64, "x" * 5000]
)
def test_nothing_but_photos_of_the_workspace_can_be_looked_at(workspace: Path, asked: str) -> None:
    answer = ask(service(workspace), "GET", f"/photos/{asked}")

    assert answer.status_code == 404
    assert answer.json().keys() == {"code", "message", "remedy"}


@pytest.mark.parametrize("asked", ["../routes.py", "..%2froutes.py", "routes.py", "nothing.css"])
def test_nothing_but_the_pages_own_files_is_served(workspace: Path, asked: str) -> None:
    assert ask(service(workspace), "GET", f"/page/{asked}").status_code == 404


def test_the_page_is_for_browsers_and_fetches_nothing_from_elsewhere(workspace: Path) -> None:
    app = service(workspace)
    page = ask(app, "GET", "/", headers={"accept": "text/html,*/*"})
    names = (
        "page.css",
        "look.css",
        "main.js",
        "try.js",
        "teach.js",
        "classes.js",
        "versions.js",
        "start.js",
        "docs.js",
        "dom.js",
    )
    files = [ask(app, "GET", f"/page/{name}") for name in (*names, "tabs.js", "photos.js", "service.js", "icon.svg")]

    assert page.headers["content-type"].startswith("text/html")
    assert all(file.status_code == 200 for file in files)
    assert sum(len(file.content) for file in [page, *files]) < 150_000
    for each in (page, *files):
        assert "default-src 'none'" in each.headers["content-security-policy"]
        assert "http://" not in each.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in each.text
    assert ask(app, "GET", "/page/main.js", headers={"if-none-match": files[2].headers["etag"]}).status_code == 304
    assert ask(app, "GET", "/").json()["workspace"] is True


def test_the_page_stands_under_a_prefix(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTLINE_ROOT_PATH", "/shotline")

    assert (
        '<base href="/shotline/">' in ask(service(workspace), "GET", "/shotline", headers={"accept": "text/html"}).text
    )
    assert ask(service(workspace), "GET", "/shotline/openapi.json").json()["servers"] == [{"url": "/shotline"}]


def test_a_refusal_of_the_gate_is_told_with_a_remedy_for_http(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise RefusedByGateError("it would harm", on="rust", remedy="overrule the gate with --force")

    monkeypatch.setattr("components.serving.changing.add_class", refuse)
    answer = ask(service(workspace), "POST", "/add_class", json={"name": "rust", "images": ["AAAA"]})

    assert (answer.status_code, answer.json()["code"]) == (409, "refused_by_gate")
    assert answer.json()["message"] == "rust: it would harm"
    assert answer.json()["remedy"] == "overrule the gate with the field force=true"


@pytest.mark.parametrize(
    ("path", "values", "code"),
    [
        ("/add_class", {"images": ["AAAA"]}, "no_name"),
        ("/add_class", {"name": "a"}, "no_images"),
        ("/add_class", {"name": "a", "images": ["AAAA"], "force": "yes"}, "bad_force"),
        ("/add_class", {"name": "a", "images": ["AAAA"] * 65}, "bad_request"),
        ("/add_class", {"name": ["a", "b"], "images": ["AAAA"]}, "bad_request"),
        ("/rename_class", {"name": "a"}, "no_new_name"),
        ("/train", {"shots": -1}, "bad_shots"),
        ("/train", {"seed": "x"}, "bad_seed"),
        ("/review", {"name": "a"}, "no_photos"),
        ("/review", {"photos": "../../etc/passwd", "name": "a"}, "bad_photos"),
        ("/review", {"photos": "0" * 64}, "no_word"),
        ("/review", {"photos": "0" * 64, "name": "a", "word": "bad"}, "no_word"),
        ("/review", {"photos": "0" * 64, "name": "a", "force": "yes"}, "bad_force"),
        ("/labels", {"name": "a"}, "no_photos"),
        ("/labels", {"photos": "../../etc/passwd", "name": "a"}, "bad_photos"),
        ("/labels", {"photos": "0" * 64}, "no_word"),
        ("/labels", {"photos": "0" * 64, "word": "none"}, "no_word"),
    ],
)
def test_what_lacks_something_is_told(workspace: Path, path: str, values: dict[str, Any], code: str) -> None:
    answer = ask(service(workspace), "POST", path, json=values)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_training_is_a_process_of_its_own_that_tells_how_far_it_is(
    make_workspace: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make_workspace()
    program = tmp_path / "shotline"
    program.write_text('#!/bin/sh\necho "$@" > arguments; env > environment\n')
    program.chmod(0o755)
    monkeypatch.setattr(training, "shotline_program", lambda: str(program))
    monkeypatch.setenv("SHOTLINE_ADMIN_TOKEN", TOKEN)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    app = service(workspace)
    assert ask(app, "GET", "/train").json() == {"state": "none", "stages": []}

    answer = ask(app, "POST", "/train", json={"shots": 0})

    assert (answer.status_code, answer.json()["state"]) == (202, "starting")
    assert background._started[-1].wait(30) == 0
    assert (workspace / "arguments").read_text().split() == [
        "train",
        "--workspace",
        str(workspace),
        "--plain",
        "--shots",
        "0",
    ]
    assert TOKEN not in (workspace / "environment").read_text()
    assert ask(app, "GET", "/train").json()["state"] == "stopped"  # it ended without a word
    with FileLock(workspace / "data/.consolidation.lock"):  # as another process has it
        busy = ask(app, "POST", "/train", json={"shots": 0})
    assert (busy.status_code, busy.json()["code"]) == (409, "not_now")


def test_a_fault_of_ours_tells_nothing_of_the_machine(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("/home/secret")

    monkeypatch.setattr("components.serving.changing.roll_back", fail)
    answer = ask(service(workspace), "POST", "/rollback", json={})

    assert answer.status_code == 500
    assert "secret" not in json.dumps(answer.json())
