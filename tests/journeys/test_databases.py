"""Feast's online store on Redis and its registry on PostgreSQL: real servers, small."""

from __future__ import annotations

import os
import shutil
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
    yield port
    server.terminate()
    server.wait(10)


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
    yield f"postgresql+psycopg2://feast@127.0.0.1:{port}/postgres"
    server.terminate()
    server.wait(20)


def repository(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True)
    config = yaml.safe_load((REPOSITORY / "data/feature_store/feature_store.yaml").read_text())
    (folder / "feature_store.yaml").write_text(yaml.safe_dump({**config, **changes}))
    return folder
