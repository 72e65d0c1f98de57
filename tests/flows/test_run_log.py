"""Long stages are seen on a server as progress artifacts: few requests, and a server that is away stops nothing."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import run_log
from flows.run_log import LoggingReporter

NOBODY = "http://127.0.0.1:1/api"


class Server:
    """What it was asked; the clock that decides how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, float, str]] = []
        self.now = 100.0
        self.away = False
        self._artifact = uuid4()
        monkeypatch.setattr(run_log, "get_run_logger", lambda: logging.getLogger("run"))
        monkeypatch.setattr(run_log, "create_progress_artifact", self._create)
        monkeypatch.setattr(run_log, "update_progress_artifact", self._update)
        monkeypatch.setattr(run_log.time, "monotonic", lambda: self.now)

    def _create(self, progress: float, key: str, description: str) -> UUID:
        if self.away:
            raise ConnectionError("nobody there")
        self.asked.append((key, progress, description))
        return self._artifact

    def _update(self, artifact: UUID, progress: float, description: str) -> Any:
        assert artifact == self._artifact
        self.asked.append(("", progress, description))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_a_long_stage_is_seen_and_a_short_one_is_not(server: Server) -> None:
    with temporary_settings({PREFECT_API_URL: NOBODY}):
        reporter = LoggingReporter()
        reporter.begin("ingest")
        reporter.progress(4, 4, "photos read")
        reporter.begin("features")
        for done in range(1, 21):
            server.now += 0.5
            reporter.progress(done, 20, "views encoded")

    assert server.asked[0] == ("progress-features", 20.0, "features: 4 of 20 views encoded")
    assert [round(progress) for _, progress, _ in server.asked[1:]] == [40, 60, 80, 100]


def test_a_server_that_is_away_stops_nothing_and_none_is_asked_where_none_is_named(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    for url in (NOBODY, ""):
        server.away = bool(url)
        with temporary_settings({PREFECT_API_URL: url}):
            reporter = LoggingReporter()
            reporter.begin("ldc")
            server.now += 10
            reporter.progress(1, 2, "epochs")
    assert [record.message for record in caplog.records if "not shown" in record.message] == [
        "progress is not shown: nobody there"
    ]
    assert server.asked == []
