"""Past one machine, whole: two workspaces over a bucket, and a cluster that loses a worker."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from components.files import sha256_file
from components.workspace import Workspace
from tests.conftest import REPOSITORY
from tests.support.stories import Run

pytestmark = pytest.mark.soak


def test_what_one_workspace_encoded_another_pulls_and_reads(
    make_workspace: Callable[[], Path], run_command: Run, photo_folder: Path, tmp_path: Path
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    there = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }
    boto3.client(
        "s3",
        endpoint_url=there["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    ).create_bucket(Bucket="photos")
    try:
        one = make_workspace()
        Workspace(one).set_parameters({"features.store": "s3://photos/cache"})
        run_command("dvc", "remote", "add", "-d", "bucket", "s3://photos/dvc", cwd=one)
        run_command("shotline", "train", photo_folder, "--shots", "4", "--plain", cwd=one, env=there, timeout_s=900)
        run_command("dvc", "push", cwd=one, env=there)
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run([*git, "add", "--all"], cwd=one, check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "trained"], cwd=one, check=True)
        two = tmp_path / "two"
        subprocess.run(["git", "clone", "--quiet", one, two], check=True)
        run_command("dvc", "pull", cwd=two, env=there, timeout_s=600)
        assert not (two / "data/cache").exists()
        told = run_command("shotline", "stage", "features", cwd=two, env=there, timeout_s=600).stderr
        run_command("shotline", "stage", "classifier", cwd=two, env=there, timeout_s=600)
    finally:
        server.stop()

    assert ", 0 encoded now" in told
    for name in ("models/bundle", "data/features"):
        for path in sorted((one / name).rglob("*")):
            if path.is_file():
                assert sha256_file(path) == sha256_file(two / path.relative_to(one)), path


def test_every_runner_leaves_the_same_files_though_a_worker_is_killed() -> None:
    script = [sys.executable, REPOSITORY / "benchmarks/runners.py", "--photos", "200", "--size", "16", "--kill"]
    done = subprocess.run(script, cwd=REPOSITORY, capture_output=True, text=True, timeout=900)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| True | 1 |") == 2, done.stdout
