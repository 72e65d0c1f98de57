"""The client over the edge: what it sends is understood, and what is refused is raised as the same error as without it."""

from __future__ import annotations

import asyncio
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

import shotline
from components.errors import RefusedByGateError, UserInputError
from components.serving.edge import Admin, Guard, edge_application
from components.serving.edge.around import layers
from components.serving.edge.changes_process import ChangesProcess
from components.serving.edge.probes import Readiness
from components.serving.place import Place
from tests.conftest import draw_photo

TOKEN = "a-token-of-enough-letters"


class Classifier:
    """Answers as the classifier's process does, and says "busy" as often as it is told."""

    busy = 0

    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        if Classifier.busy:
            from bentoml.exceptions import ServiceUnavailable

            Classifier.busy -= 1
            raise ServiceUnavailable("busy")
        good = {"top": [{"class": "red", "probability": 0.9}], "likely": ["red"], "abstained": False, "bank": "b"}
        bad = {"error": {"code": "not_an_image", "message": "it is not an image", "remedy": "use a photo"}}
        damaged = good | {"flaw": "a part of it is missing"}
        return [{b"no": bad, b"torn": damaged}.get(photo, good) for photo in photos]

    async def embed(self, photos: list[bytes]) -> list[dict[str, Any]]:
        return [{"embedding": [1.0, 0.0], "backbone": "b"} for _ in photos]

    async def embed_texts(self, texts: list[str]) -> list[dict[str, Any]]:
        return [{"embedding": [0.0, float(len(text))], "backbone": "b"} for text in texts]

    async def like(self, query: list[float], top: int) -> dict[str, Any]:
        return {"photos": [{"path": "a.jpg", "class": "red", "similarity": query[0], "photo": "0"}] * top}

    async def classes(self) -> list[dict[str, Any]]:
        return [{"class": "red", "kind": "trained", "since": None, "photos": 4}]


async def ready() -> bool:
    return True


@pytest.fixture(scope="module")
def url(make_workspace: Callable[[], Path]) -> Iterator[str]:
    """A service in a thread of this process, of a workspace in which nothing was trained."""
    workspace = make_workspace()
    readiness, guard = Readiness(ready), Guard(TOKEN, pause_s=0)
    admin = Admin(Place(workspace / "models", workspace), guard)
    app = layers(edge_application(Classifier, readiness, admin), readiness, guard=guard)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))

    def serve() -> None:
        asyncio.run(server.serve())

    thread = threading.Thread(target=serve)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: ChangesProcess, change: Callable[..., Any], *arguments: Any) -> Any:
        return change(*arguments)

    monkeypatch.setattr(ChangesProcess, "run", run)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    draw_photo(tmp_path / "a.jpg", 1)
    return tmp_path / "a.jpg"


def test_photos_are_asked_about(url: str, photo: Path) -> None:
    with shotline.Client(url) as client:
        one, bad, unnamed = client.classify([photo, b"no", photo.read_bytes()])
        [alone] = client.classify(b"no")

        assert one == shotline.ServedAnswer("a.jpg", (("red", 0.9),), ("red",), False, "b")
        assert (unnamed.path, unnamed.top) == (None, one.top)
        for each in (bad, alone):
            assert each.error is not None
            assert (each.error.code, each.error.what) == ("not_an_image", "it is not an image")
        assert client.embed(photo, texts=["rust", "キズ"]) == [[1.0, 0.0], [0.0, 4.0], [0.0, 2.0]]
        assert client.search("rust", top=2)[1]["class"] == "red"
        assert client.search(photo, top=1)[0]["similarity"] == 1.0
        assert client.ready()


def test_bentoml_s_own_client_has_our_methods(url: str, photo: Path) -> None:
    import bentoml
    from bentoml.exceptions import BentoMLException

    with bentoml.SyncHTTPClient(url, token=TOKEN) as client:
        client._temp_dir.cleanup()  # it leaves it to the garbage collector, which warns
        assert [row["top"][0]["class"] for row in client.classify(images=[photo, str(photo)])] == ["red", "red"]
        assert client.embed(images=[photo])[0]["embedding"] == [1.0, 0.0]
        assert client.embed_texts(texts=["rust", "キズ"])[1]["embedding"] == [0.0, 2.0]
        assert len(client.search(image=photo, top=2)) == len(client.search_text(text="rust", top=2)) == 2
        with pytest.raises(BentoMLException, match="no class of that name"):
            client.remove_class(name="rust")


def test_what_is_busy_for_a_moment_is_asked_again(url: str, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("components.serving.client.time.sleep", waited.append)
    with shotline.Client(url, retries=2) as client:
        Classifier.busy = 2
        assert client.classify(photo)[0].top
        Classifier.busy = 3
        with pytest.raises(shotline.ServiceError) as refused:
            client.classify(photo)

    assert (refused.value.code, refused.value.status) == ("service_unavailable", 503)
    assert waited == [1.0] * 4  # as Retry-After says


def test_a_zip_is_answered_photo_by_photo(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.serving.client.time.sleep", lambda seconds: None)
    members = {f"{number:02d}.jpg": b"yes" for number in range(40)} | {"40.jpg": b"no", "41.jpg": b"torn"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with shotline.Client(url) as client:
        Classifier.busy = 1  # asked again, and sent again
        answers = client.classify_zip(tmp_path / "a.zip")
        first = next(answers)
        assert first == shotline.ServedAnswer("00.jpg", (("red", 0.9),), ("red",), False, "b")
        *_, bad, torn = answers
        assert [answer.path for answer in client.classify_zip((tmp_path / "a.zip").read_bytes())] == list(members)
        assert bad.error is not None
        assert (bad.error.code, torn.flaw, torn.error) == ("not_an_image", "a part of it is missing", None)
        for given, told in ((b"no archive", "archive cannot be read"), (tmp_path / "no.zip", "cannot be read")):
            with pytest.raises(UserInputError, match=told):
                client.classify_zip(given)


def test_a_zip_whose_answers_break_off_says_so() -> None:
    def lines() -> Iterator[bytes]:
        yield b'{"path": "0.jpg", "top": [], "likely": [], "abstained": true, "bank": "b"}\n'
        raise httpx.RemoteProtocolError("incomplete")

    with shotline.Client("http://service") as client:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, content=lines()))
        client._http = httpx.Client(base_url="http://service", transport=transport)
        answers = client.classify_zip(b"PK")
        assert next(answers).path == "0.jpg"
        with pytest.raises(shotline.ServiceError, match="incomplete"):
            next(answers)


def test_classes_are_changed_with_the_token(url: str, photo: Path) -> None:
    with shotline.Client(url, TOKEN) as client:
        assert client.add_class("rust", [photo])["photos"] == 1
        assert [row["class"] for row in client.classes()] == ["rust"]
        assert client.rename_class("rust", "scratch")["class"] == "scratch"
        assert client.remove_class("scratch")["version"] is None
        assert client.training()["state"] == "none"
        with pytest.raises(UserInputError, match="no class of that name"):
            client.remove_class("nothing")
    with shotline.Client(url) as client, pytest.raises(shotline.ServiceError) as refused:
        client.versions()
    assert refused.value.status == 401


def test_errors_are_those_of_the_same_mistake_without_a_service(
    url: str, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise RefusedByGateError("it would harm", on="rust", remedy="overrule the gate with --force")

    monkeypatch.setattr("components.serving.changing.add_class", refuse)
    with shotline.Client(url, TOKEN) as client:
        with pytest.raises(shotline.RefusedByGateError, match="it would harm"):
            client.add_class("rust", photo)
        with pytest.raises(UserInputError, match="cannot be read"):
            client.classify("nowhere.jpg")
    with shotline.Client("http://127.0.0.1:9") as client, pytest.raises(shotline.ServiceError) as away:
        client.classes()
    assert away.value.code == "away"
