"""Photos beside `data/raw` against the checks of a training, and a person's own actions where one fails."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserInputError
from components.validate import StoredPhoto, ValidateSettings, check_stored, own_actions

GOOD = StoredPhoto("a.jpg", "rust", "a" * 64, 640, 480, 0.1, None, None)


def failing(photos: list[StoredPhoto], **more: Any) -> dict[str, list[str]]:
    answers = check_stored(photos, ValidateSettings(min_size_px=64), **more)
    return {each.check.code: [row["path"] for row in each.failing] for each in answers if each.passed is False}


def test_each_photo_is_told_by_the_check_that_it_fails() -> None:
    photos = [
        GOOD,
        replace(GOOD, path="small.jpg", id="b" * 64, width=40),
        replace(GOOD, path="long.jpg", id="c" * 64, width=64_000),
        replace(GOOD, path="blurred.jpg", id="d" * 64, blur=1.0),
        replace(GOOD, path="torn.jpg", id=None, width=0, height=0, decode_error="the file is cut off"),
        replace(GOOD, path="broken.txt", id=None, width=0, height=0, decode_error="it is not an image"),
        replace(GOOD, path="flawed.jpg", id="e" * 64, error="its last rows are grey"),
    ]
    assert failing([GOOD]) == {}
    assert failing(photos) == {
        "large_enough": ["small.jpg"],
        "aspect_ratio": ["long.jpg", "small.jpg"],
        "sharp": ["blurred.jpg"],
        "decodable": ["broken.txt", "torn.jpg"],
        "intact": ["flawed.jpg"],
    }


def test_a_person_s_own_expectations_hold_here_too(tmp_path: Path) -> None:
    own = tmp_path / "expectations.json"
    wide = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "width", "min_value": 1000}}
    split = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "split"}}
    own.write_text(json.dumps({"name": "own", "expectations": [wide, split]}))

    assert failing([GOOD], own=own) == {"own_1": ["a.jpg"]}
    skipped = {each.check.code: each.check.skipped for each in check_stored([GOOD], ValidateSettings(), own)}
    assert skipped["own_2"] == "only a training knows the column split"


class _Taking(BaseHTTPRequestHandler):
    received: list[bytes]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_message_is_sent_where_a_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Taking.received = []
    with HTTPServer(("127.0.0.1", 0), _Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}")
        file = tmp_path / "actions.json"
        file.write_text('[{"type": "slack", "name": "us", "slack_webhook": "${HOOK}", "notify_on": "failure"}]')
        actions = own_actions(file)
        assert failing([GOOD], actions=actions) == {}
        assert _Taking.received == []
        assert [*failing([replace(GOOD, width=3)], actions=actions)] == ["large_enough", "aspect_ratio"]
        server.shutdown()
    assert len(_Taking.received) == 1
    assert b"*5* of *7* Expectations were met" in _Taking.received[0]


def test_an_action_that_fails_leaves_the_verdict(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "actions.json"
    file.write_text('[{"type": "slack", "name": "nobody", "slack_webhook": "nowhere"}]')
    assert failing([replace(GOOD, blur=1.0)], actions=own_actions(file)) == {"sharp": ["a.jpg"]}
    assert "an action of data/actions.json failed" in caplog.text


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "it is not JSON"),
        ("{}", "it is no list of actions"),
        ('[{"type": "pigeon"}]', "no action of the type 'pigeon'"),
        ('[{"type": "email", "name": "x"}]', "its fields are wrong"),
    ],
)
def test_what_is_no_action_is_told(tmp_path: Path, written: str, told: str) -> None:
    (tmp_path / "actions.json").write_text(written)
    with pytest.raises(UserInputError, match=told):
        own_actions(tmp_path / "actions.json")
    assert own_actions(tmp_path / "nowhere.json") == ()
