"""Partitions on Dask, and the store in a bucket: real pieces, small."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from components.features import EncodingWork, FeatureCache, FeatureKey, FeaturesSettings, View, encode_missing
from flows.clusters import on_dask
from tests.conftest import FakeBackbone


def views(photos: dict[str, Path]) -> list[View]:
    return [View(image_id) for image_id in photos]


@pytest.fixture(scope="module")
def bucket(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of moto's S3 server on loopback."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch_module.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="photos")
    yield "s3://photos/cache"
    server.stop()


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_dask_leaves_the_same_bytes_as_the_loop(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    from distributed import LocalCluster

    told: list[tuple[int, int]] = []
    loop, dask = FeatureCache(tmp_path / "loop"), FeatureCache(tmp_path / "dask")
    encode_missing(views(photos), photos, backbone, loop, size=8)
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        distribute = on_dask(FeaturesSettings(address=cluster.scheduler_address), EncodingWork(FakeBackbone))
        encode_missing(
            views(photos),
            photos,
            backbone,
            dask,
            size=8,
            distribute=distribute,
            progress=lambda done, total: told.append((done, total)),
        )

    names = sorted(path.name for path in loop.folder.iterdir())
    assert len(names) == 6
    assert [(dask.folder / name).read_bytes() for name in names] == [
        (loop.folder / name).read_bytes() for name in names
    ]
    assert (told[-1], backbone.rows) == ((20, 20), 20)  # the loop's alone


def test_a_bucket_is_filled_by_one_machine_and_read_by_another(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone, bucket: str
) -> None:
    keys = [FeatureKey(backbone.identity.digest, "grid").of(view) for view in views(photos)]
    one, two = (FeatureCache(tmp_path / name, bucket) for name in ("one", "two"))
    encode_missing(views(photos), photos, backbone, one, size=8)
    shutil.rmtree(tmp_path / "one")
    again = FeatureCache(tmp_path / "one", bucket)

    assert (two.fetch(keys), again.fetch(keys[:1])) == (3, 1)
    assert encode_missing(views(photos), photos, backbone, two, size=8).encoded == 0
    assert torch.equal(two.read(keys[:1]).embedding, again.read(keys[:1]).embedding)
    assert backbone.rows == 20
