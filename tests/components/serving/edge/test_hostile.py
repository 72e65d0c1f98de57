"""What hostile clients send: told in our form, never a fault of ours, and the service answers afterwards as before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.types import ASGIApp

from components.ingest import Limits, PhotoError, load_image
from components.serving.edge import Admin, Guard, edge_application
from components.serving.edge.around import known_paths, layers
from components.serving.edge.probes import Readiness
from components.serving.photo_errors import for_asker
from components.serving.place import Place
from tests.conftest import draw_photo
from tests.support.hostile import hostile_bodies, hostile_photos

_FORM = {"code", "message", "remedy"}


class Decoding:
    """A classifier that opens every photo as the real one does, and answers without a model."""

    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        return [self._one(photo) for photo in photos]

    async def embed(self, photos: list[bytes]) -> list[dict[str, Any]]:
        return [
            each if "error" in (each := self._one(photo)) else {"embedding": [1.0, 0.0], "backbone": "b"}
            for photo in photos
        ]

    async def embed_texts(self, texts: list[str]) -> list[dict[str, Any]]:
        return [{"embedding": [1.0, 0.0], "backbone": "b"} for _ in texts]

    async def like(self, query: list[float], top: int) -> dict[str, Any]:
        return {"photos": [{"path": "a.jpg", "class": "red", "similarity": 0.5, "photo": "0" * 64}]}

    async def classes(self) -> list[dict[str, Any]]:
        return [{"class": "red", "kind": "trained", "since": None, "photos": 4}]

    @staticmethod
    def _one(photo: bytes) -> dict[str, Any]:
        try:
            load_image(photo, Limits(max_pixels=1_000_000))
        except PhotoError as error:
            told = for_asker(error)
            return {"error": {"code": told.reason, "message": told.what, "remedy": told.remedy}}
        return {"top": [{"class": "red", "probability": 1.0}], "abstained": False, "bank": "b"}


async def ready() -> bool:
    return True


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    """The whole edge, without a workspace, behind a token that nobody has."""
    readiness, guard = Readiness(ready), Guard("a-token-that-nobody-has", pause_s=0)
    admin = Admin(Place(Path("/nowhere"), None), guard)
    return layers(edge_application(Decoding, readiness, admin), readiness, guard=guard, paths=known_paths())


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("photo") / "a.jpg"
    draw_photo(path, 1)
    return path.read_bytes()


def test_no_photo_and_no_body_is_a_fault_of_ours(app: ASGIApp, photo: bytes) -> None:
    async def send() -> list[tuple[int, Any]]:
        told = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://test"
        ) as client:
            for content in hostile_photos(photo):
                answer = await client.post("/classify", files=[("images", ("a.jpg", content))])
                told.append((answer.status_code, answer.json()))
            for path in ("/classify", "/embed", "/search"):
                for kind, body in hostile_bodies(photo):
                    answer = await client.post(path, content=body, headers={"content-type": kind})
                    told.append((answer.status_code, answer.json()))
            answer = await client.post("/classify", files=[("images", ("a.jpg", photo))])
            assert answer.json()[0]["top"]
        return told

    told = asyncio.run(send())

    assert len(told) > 250
    assert {status for status, _ in told} <= {200, 400, 413, 415, 422}
    assert all(answer.keys() == _FORM for status, answer in told if status != 200)


def test_every_request_that_the_document_allows_is_answered_as_it_says(app: ASGIApp) -> None:
    import schemathesis

    operations = [result.ok() for result in schemathesis.openapi.from_asgi("/openapi.json", app).get_all_operations()]
    tried = sum(
        try_operation(operation) for operation in operations if operation.path != "/metrics"
    )  # that is BentoML's

    assert tried > 60


def try_operation(operation: Any) -> int:
    """Send what the document allows of one address; how many requests."""
    tried = 0

    @settings(
        max_examples=5,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        nonlocal tried
        tried += 1
        response = case.call()
        assert response.status_code < 500
        assert str(response.status_code) in operation.definition.raw["responses"], response.text
        if response.status_code >= 400:
            assert response.json().keys() == _FORM

    answered()
    return tried
