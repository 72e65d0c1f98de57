import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem

from components.errors import ShotlineError, UserInputError
from components.features import (
    Encoder,
    FeatureCache,
    FeatureKey,
    Partition,
    ShardStore,
    View,
    commit,
    encode_missing,
    extract,
    plan,
    until_committed,
)
from components.features import partition as partition_module
from components.features.carriers import Features
from components.features.shard import save_shard
from tests.conftest import FakeBackbone, draw_photo


class FlakyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """A bucket whose calls fail half of the time, as a busy network does."""

    protocol = "flaky"
    dice = random.Random(1)
    share = 0.5


def _failing(name: str) -> Callable[..., Any]:
    def call(self: FlakyFileSystem, *arguments: Any, **options: Any) -> Any:
        if self.dice.random() < self.share:
            raise ConnectionResetError("the network is away")
        return getattr(MemoryFileSystem(), name)(*arguments, **options)  # whose own calls do not fail

    return call


for _name in ("cat_file", "pipe_file", "put_file", "get_file", "ls", "rm_file"):
    setattr(FlakyFileSystem, _name, _failing(_name))
fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)


@pytest.fixture
def flaky() -> Iterator[str]:
    MemoryFileSystem.store.clear()
    FlakyFileSystem.share = 0.5
    yield "flaky://bucket/cache"
    MemoryFileSystem.store.clear()


def manifest(photos: dict[str, Path]) -> list[tuple[View, str]]:
    return [(View(image_id), str(path)) for image_id, path in photos.items()]


def key(backbone: FakeBackbone) -> FeatureKey:
    return FeatureKey(backbone.identity.digest, "grid")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_photos_give_the_same_plan_in_any_order(photos: dict[str, Path], backbone: FakeBackbone) -> None:
    rows = manifest(photos)

    parts = plan(rows, key(backbone), 8)

    assert parts == plan(rows[::-1] + rows[:3], key(backbone), 8)
    assert [len(part.views) for part in parts] == [8, 8, 4]
    assert len({part.id for part in parts + plan(rows, FeatureKey("other", "grid"), 8)}) == 6


def test_two_workers_write_equal_bytes_and_a_finished_partition_costs_nothing(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    parts = plan(manifest(photos), key(backbone), 8)
    one, two = (ShardStore(str(tmp_path / name)) for name in ("one", "two"))
    for part in parts:
        extract(part, one, Encoder(backbone, "grid"))
    for part in reversed(parts):
        extract(part, two, Encoder(FakeBackbone(), "grid"))
    rows = backbone.rows
    for part in parts:
        extract(part, ShardStore(str(tmp_path / "one")), Encoder(backbone, "grid"))

    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 6
    assert backbone.rows == rows
    assert commit(one, parts).rows == 20


def test_a_bad_photo_is_a_result_and_is_tried_again_by_the_next_run(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    bad, path = next(iter(photos.items()))
    good = path.read_bytes()
    path.write_bytes(b"no photo")
    cache = FeatureCache(tmp_path / "cache")
    views = [View(image_id) for image_id in photos]

    with pytest.raises(UserInputError, match="changed since it was ingested"):
        encode_missing(views, photos, backbone, cache)
    done = commit(cache.store, plan(manifest(photos), key(backbone)))
    left = cache.missing([key(backbone).of(view) for view in views])
    path.write_bytes(good)
    again = encode_missing(views, photos, backbone, FeatureCache(tmp_path / "cache"))

    assert (done.missing, done.rows, list(done.failures)) == ((), 19, [f"{bad}/0"])
    assert left == [key(backbone).of(View(bad))]
    assert again.encoded == 1


def test_commit_names_what_is_missing_and_half_a_part_is_never_read(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    parts = plan(manifest(photos), key(backbone), 8)
    shared = tmp_path / "shared"
    for part in parts:
        extract(part, ShardStore(str(shared)), Encoder(backbone, "grid"))
    whole = (shared / f"{parts[2].id}.safetensors").read_bytes()
    (shared / f"{parts[0].id}.json").unlink()  # killed before the marker
    marker = (shared / f"{parts[1].id}.json").read_bytes()
    (shared / f"{parts[1].id}.json").write_bytes(marker[:40])  # a folder that is no real file system
    (shared / f"{parts[2].id}.safetensors").write_bytes(whole[:-1])

    found = commit(ShardStore(str(shared)), parts)
    cache = FeatureCache(tmp_path / "cache", str(shared))
    came = cache.fetch([key_ for part in parts for key_ in part.keys])

    assert found.missing == parts[:2]
    assert (came, len(cache)) == (0, 0)
    assert not (shared / f"{parts[2].id}.json").exists()  # damaged, so that it is encoded anew
    encode_missing([View(image_id) for image_id in photos], photos, backbone, cache, size=8)
    assert (shared / f"{parts[2].id}.safetensors").read_bytes() == whole


def test_what_a_killed_writer_left_is_swept_and_others_go_on(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (part,) = plan(manifest(photos), key(backbone))
    of_this, old, young = (shared / f".{name}.safetensors.x1.safetensors" for name in (part.id, "0" * 32, "1" * 32))
    for path in (of_this, old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    encode_missing([View(image_id) for image_id in photos], photos, backbone, FeatureCache(shared))

    assert {path.name for path in shared.iterdir()} == {f"{part.id}.safetensors", f"{part.id}.json", young.name}


def test_a_worker_whose_file_is_swept_takes_the_others_word(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shared"
    (part,) = plan(manifest(photos), key(backbone))
    other = extract(part, ShardStore(str(tmp_path / "other")), Encoder(backbone, "grid"))

    def slowly(path: Path, keys: Sequence[str], features: Features) -> None:
        save_shard(path, keys, features)
        monkeypatch.undo()
        extract(part, ShardStore(str(folder)), Encoder(FakeBackbone(), "grid"))  # another worker is faster
        ShardStore(str(folder)).sweep({part.id})

    monkeypatch.setattr(partition_module, "save_shard", slowly)

    assert extract(part, ShardStore(str(folder)), Encoder(backbone, "grid")) == other
    assert contents(folder) == contents(tmp_path / "other")


def test_a_store_that_fails_half_of_its_calls_is_asked_again_and_gives_the_same(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone, flaky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    views = [View(image_id) for image_id in photos]
    keys = [key(backbone).of(view) for view in views]
    first = FeatureCache(tmp_path / "first", flaky)
    encode_missing(views, photos, backbone, first, size=4)
    rows = backbone.rows
    second = FeatureCache(tmp_path / "second", flaky)
    second.fetch(keys)
    plain = FeatureCache(tmp_path / "plain")
    encode_missing(views, photos, FakeBackbone(), plain, size=4)

    assert first.store.repeated > 3
    assert backbone.rows == rows == 20
    assert torch.equal(second.read(keys).embedding, plain.read(keys).embedding)
    for shard in (tmp_path / "plain").glob("*.safetensors"):
        assert (tmp_path / "second" / shard.name).read_bytes() == shard.read_bytes()


def test_a_store_that_never_answers_is_told(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone, flaky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    FlakyFileSystem.share = 1.0

    with pytest.raises(ShotlineError, match=r"failed 15 times: ConnectionResetError.*flaky://bucket"):
        encode_missing([View(next(iter(photos)))], photos, backbone, FeatureCache(tmp_path, flaky))
    with pytest.raises(UserInputError, match="name a folder, or a URL whose library is installed"):
        ShardStore("nowhere://bucket")


def test_a_reader_whose_shard_is_evicted_encodes_it_anew(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    from components.features import PhotoFeatures

    views = [View(image_id) for image_id in photos]
    reader, other = (
        PhotoFeatures(
            FeatureCache(tmp_path),
            mode="grid",
            made_with=backbone.identity,
            backbone=lambda: backbone,
            files=lambda: photos,
        )
        for _ in range(2)
    )
    before = reader.read(views)
    other.encode(views)
    FeatureCache(tmp_path).evict(0)

    assert torch.equal(other.read(views).embedding, before.embedding)
    assert backbone.rows == 40
    assert [path.suffix for path in sorted(tmp_path.glob("[!.]*")) if path.is_file()] == [".json", ".safetensors"]


class Engine:
    """An engine that does what it is told to with each partition of a round."""

    def __init__(self, do: Callable[[Partition, int], None], settles: bool = True) -> None:
        self.do, self.settles, self.handed_out = do, settles, 0

    def submit(self, partitions: tuple[Partition, ...]) -> "Engine":
        for partition in partitions:
            self.handed_out += 1
            self.do(partition, self.handed_out)
        return self

    def settled(self) -> bool:
        return self.settles

    def problem(self) -> str:
        return "a worker died"


def test_markers_and_not_the_engine_say_what_is_done(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    parts, store = plan(manifest(photos), key(backbone), 4), ShardStore(str(tmp_path))
    told: list[tuple[int, int]] = []

    def every_third(partition: Partition, number: int) -> None:
        if number % 3 == 1:
            extract(partition, store, Encoder(backbone, "grid"))

    loses = Engine(every_third)
    until_committed(parts, store, loses.submit, lambda done, total: told.append((done, total)), poll_s=0)
    says_it_runs = Engine(lambda partition, _: None, settles=False)
    until_committed(parts, store, says_it_runs.submit, poll_s=0)

    assert commit(store, parts).missing == ()
    assert (backbone.rows, told[-1]) == (20, (20, 20))
    assert loses.handed_out > len(parts)
    assert says_it_runs.handed_out == 0


def test_an_engine_that_gets_nothing_done_is_given_up(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    parts = plan(manifest(photos), key(backbone), 8)
    dead = Engine(lambda partition, _: None)

    with pytest.raises(
        ShotlineError, match="3 of 3 partitions were handed out 3 times and none came back: a worker died"
    ):
        until_committed(parts, ShardStore(str(tmp_path)), dead.submit, poll_s=0)


def test_a_worker_with_another_device_is_refused(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    from components.features import EncodingWork, encode_partition

    draw_photo(tmp_path / "photo.jpg", 1)
    part = plan(manifest(photos), FeatureKey("0" * 64, "grid"), 32)[0]

    with pytest.raises(ShotlineError, match="gives other features"):
        encode_partition(EncodingWork(FakeBackbone), part, ShardStore(str(tmp_path / "store")))
    part = plan(manifest(photos), key(backbone), 32)[0]
    assert encode_partition(EncodingWork(FakeBackbone), part, ShardStore(str(tmp_path / "store"))) == 20
