"""Feast's online store on Redis and its registry on PostgreSQL: real servers, small."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.conftest import REPOSITORY


def program(name: str) -> str:
    """A server's program; the test skips where there is none, and fails where none may skip."""
    places = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *places]))
    if found is None:
        told = f"{name} is not installed (Debian: apt-get install redis-server postgresql)"
        if os.environ.get("SHOTLINE_NO_SKIPS"):
            pytest.fail(told)
        pytest.skip(told)
    return found


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_for(port: int) -> None:
    for attempt in Retrying(stop=stop_after_delay(30), wait=wait_fixed(0.05), retry=retry_if_exception_type(OSError)):
        with attempt:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    command = [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL)
    wait_for(port)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of its own; PostgreSQL refuses to run as root, so root lends it to `postgres`."""
    initdb, postgres = program("initdb"), program("postgres")
    folder, port = tmp_path_factory.mktemp("postgres"), free_port()
    as_user: dict[str, str] = {}
    if os.geteuid() == 0:
        as_user = {"user": "postgres", "group": "postgres"}
        for parent in (folder, *folder.parents[:3]):
            parent.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
    cluster = folder / "cluster"
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **as_user}
    subprocess.run([initdb, "-D", cluster, "-U", "feast", "-A", "trust", "--no-sync"], check=True, **options)  # type: ignore[call-overload]
    server = subprocess.Popen(  # type: ignore[call-overload]
        [postgres, "-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-c", "fsync=off"], **options
    )
    wait_for(port)
    try:
        yield f"postgresql+psycopg2://feast@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for its clients
        server.wait(30)


def repository(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True)
    config = yaml.safe_load((REPOSITORY / "data/feature_store/feature_store.yaml").read_text())
    (folder / "feature_store.yaml").write_text(yaml.safe_dump({**config, **changes}))
    return folder


def test_a_hundred_classes_come_back_from_redis(tmp_path: Path, redis_port: int) -> None:
    import torch

    from components.store import ClassRow, ClassStore

    folder = repository(
        tmp_path / "data/feature_store", online_store={"type": "redis", "connection_string": f"127.0.0.1:{redis_port}"}
    )
    from datetime import UTC, datetime

    vectors = torch.nn.functional.normalize(torch.randn(100, 512, generator=torch.Generator().manual_seed(0)), dim=1)
    rows = [
        ClassRow(f"class {number}", f"class {number}", "trained", "photos", number, 0.0, vector)
        for number, vector in enumerate(vectors)
    ]
    store = ClassStore(folder)
    store.write_classes("v1", rows, datetime(2026, 1, 1, tzinfo=UTC))
    found = store.classes("v1", [row.name for row in rows])

    assert torch.equal(torch.stack([row.embedding for row in found]), vectors)
    assert [row.place for row in found] == list(range(100))
    assert store.classes("v2", ["class 0"]) == []
    assert not (folder / "online.db").exists()


def test_two_writers_of_a_registry_in_postgresql_lose_nothing(tmp_path: Path, postgres_url: str) -> None:
    from components.store.repository import feature_store

    registry = {"registry_type": "sql", "path": postgres_url, "cache_ttl_seconds": 0}
    folders = [repository(tmp_path / name / "data/feature_store", registry=registry) for name in ("one", "two")]
    stores = [feature_store(folder) for folder in folders]
    from feast import Entity, ValueType

    failed: list[BaseException] = []
    together = threading.Barrier(2)

    def write(number: int) -> None:
        try:
            together.wait(30)
            for each in range(8):
                entity = Entity(name=f"of_{number}_{each}", join_keys=[f"key_{number}"], value_type=ValueType.STRING)
                stores[number].registry.apply_entity(entity, "shotline")
        except BaseException as error:  # noqa: BLE001 (told by the test's own thread)
            failed.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert failed == []
    entities = {entity.name for entity in stores[0].registry.list_entities("shotline", allow_cache=False)}
    assert {f"of_{number}_{each}" for number in range(2) for each in range(8)} <= entities
    views = {view.name for view in stores[1].registry.list_feature_views("shotline", allow_cache=False)}
    assert {"class_embeddings", "live_version"} <= views
