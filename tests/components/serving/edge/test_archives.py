"""A zip archive of photos, answered with a line per photo."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from components.serving.edge import archives, edge_application
from components.serving.edge.limits import Uploads
from components.serving.edge.probes import Readiness
from components.serving.edge.routes import PATHS_WITH_BODY


class Classifier:
    """Answers with the size of each photo, and fails at the calls that it is told to."""

    def __init__(self, fails_at: int = 0) -> None:
        self.sizes: list[int] = []
        self._fails_at = fails_at

    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        self.sizes.append(len(photos))
        if len(self.sizes) == self._fails_at:
            raise TimeoutError
        return [
            {"top": [{"class": f"{len(photo)} bytes", "probability": 1.0}], "abstained": False, "bank": "b"}
            for photo in photos
        ]


def packed(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, photo in members.items():
            archive.writestr(name, photo)
    return content.getvalue()


def ask(classifier: Classifier, body: bytes, path: str = "/classify", *, most_bytes: int = 1_000) -> httpx.Response:
    async def ready() -> bool:
        return True

    async def answer() -> httpx.Response:
        routes = edge_application(lambda: classifier, Readiness(ready), most_bytes=lambda: most_bytes)
        transport = httpx.ASGITransport(Uploads(routes, paths=PATHS_WITH_BODY))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, content=body, headers={"content-type": "Application/ZIP"})

    return asyncio.run(answer())


def rows(response: httpx.Response) -> list[dict[str, Any]]:
    assert (response.status_code, response.headers["content-type"]) == (200, "application/x-ndjson")
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_photo_has_a_line_in_the_order_of_the_paths() -> None:
    classifier = Classifier()
    told = rows(ask(classifier, packed({"b/キズ.jpg": b"12", "a.jpg": b"1", "__MACOSX/._a.jpg": b"x", "b/": b""})))

    assert [(row["path"], row["top"][0]["class"]) for row in told] == [("a.jpg", "1 bytes"), ("b/キズ.jpg", "2 bytes")]
    assert classifier.sizes == [2]


def test_what_cannot_be_used_has_its_error_among_the_others() -> None:
    told = rows(ask(Classifier(), packed({"a.jpg": b"1", "b.jpg": b"", "c.jpg": bytes(1_001), "../../d.jpg": b"4"})))

    assert [(row["path"], row.get("error", {}).get("code")) for row in told] == [
        ("../../d.jpg", None),  # a name in a row, never a path that is followed
        ("a.jpg", None),
        ("b.jpg", "zero_byte"),
        ("c.jpg", "oversized"),
    ]
    assert told[2]["error"].keys() == {"code", "message", "remedy"}


def test_a_few_photos_at_a_time_are_answered_and_a_failure_spoils_no_others() -> None:
    classifier = Classifier(fails_at=2)
    told = rows(ask(classifier, packed({f"{number:03d}.jpg": b"x" for number in range(80)})))

    assert classifier.sizes == [32, 32, 16]
    assert [row["path"] for row in told] == [f"{number:03d}.jpg" for number in range(80)]
    assert {row["error"]["code"] for row in told[32:64]} == {"gateway_timeout"}
    assert not any("error" in row for row in told[:32] + told[64:])


def test_a_failure_before_the_first_line_is_one_of_the_request() -> None:
    assert ask(Classifier(fails_at=1), packed({"a.jpg": b"x"})).status_code == 504


def test_no_more_is_unpacked_than_a_request_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MOST_UNPACKED", 1_500)
    told = rows(ask(Classifier(), packed({f"{number}.jpg": bytes(1_000) for number in range(4)})))

    assert [row.get("error", {}).get("code") for row in told] == [None, None, "too_large", "too_large"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no archive",
        packed({"a.jpg": b"x"})[:-10],
        packed({}),
        packed({"a.jpg": b"x"})[:-12] + b"\xff\xff\xff\x7f" + packed({"a.jpg": b"x"})[-8:],
        b"PK\x06\x07" + bytes(16) + packed({})[-22:],
    ],
    ids=["empty", "no archive", "cut off", "nothing in it", "a list of gigabytes", "64 bits"],
)
def test_what_is_no_archive_of_photos_is_refused(body: bytes) -> None:
    response = ask(Classifier(), body)

    assert response.status_code == 400
    assert response.json().keys() == {"code", "message", "remedy"}


def test_too_many_photos_are_refused_before_any_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_IN_ARCHIVE", 3)
    classifier = Classifier()

    assert ask(classifier, packed({f"{number}.jpg": b"x" for number in range(4)})).status_code == 400
    assert classifier.sizes == []


def test_archives_are_taken_where_photos_are_classified_alone() -> None:
    assert ask(Classifier(), packed({"a.jpg": b"x"}), "/embed").status_code == 415
