from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ShotlineError
from components.features import FeatureCache, Features, View, feature_key


def key(number: int) -> str:
    return feature_key(View(f"{number:064x}"), "backbone", "grid")


def features(numbers: list[int]) -> Features:
    rows = torch.tensor(numbers, dtype=torch.float32)[:, None]
    return Features(rows.repeat(1, 4), (rows.repeat(1, 2).half(),))


def test_what_is_written_is_read_in_the_order_asked_for(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.write([key(1), key(2)], features([1, 2]))
    cache.write([key(3)], features([3]))

    read = FeatureCache(tmp_path).read([key(3), key(1), key(2), key(1)])

    assert read.embedding[:, 0].tolist() == [3, 1, 2, 1]
    assert read.levels[0][:, 0].tolist() == [3, 1, 2, 1]
    assert read.levels[0].dtype == torch.float16


def test_a_key_that_is_not_there_is_named_and_an_error_to_read(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.write([key(1)], features([1]))

    assert cache.missing([key(2), key(1)]) == [key(2)]
    with pytest.raises(ShotlineError, match="1 of 2 features are not cached"):
        cache.read([key(1), key(2)])


def test_a_shard_that_another_process_evicted_is_told(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    kept = cache.write([key(1)], features([1]))
    cache.write([key(2)], features([2])).unlink()

    with pytest.raises(ShotlineError, match="another process has removed a shard"):
        cache.read([key(1), key(2)])
    assert cache.evict(0) == 1
    assert not kept.exists()


def test_half_a_shard_is_neither_read_nor_in_the_way(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    whole = cache.write([key(1)], features([1]))
    (tmp_path / ".unfinished.safetensors").write_bytes(whole.read_bytes()[:100])
    (tmp_path / "damaged.safetensors").write_bytes(whole.read_bytes()[:-3])

    reopened = FeatureCache(tmp_path)

    assert len(reopened) == 1
    assert not (tmp_path / "damaged.safetensors").exists()


def test_the_same_partition_written_twice_is_one_file(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    first = cache.write([key(1), key(2)], features([1, 2]))
    content = first.read_bytes()
    second = cache.write([key(1), key(2)], features([1, 2]))

    assert first == second
    assert second.read_bytes() == content


def test_what_was_read_longest_ago_is_evicted_first_and_what_is_needed_stays(tmp_path: Path) -> None:
    import os

    cache = FeatureCache(tmp_path)
    shards = [cache.write([key(number)], features([number])) for number in range(4)]
    for age, shard in enumerate(shards):
        os.utime(shard, (age, age))

    removed = cache.evict(2 * shards[0].stat().st_size, keep=[key(0)])

    assert removed == 2
    assert [shard.exists() for shard in shards] == [True, False, False, True]
    assert cache.missing([key(number) for number in range(4)]) == [key(1), key(2)]


@given(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["a", "b"]), st.sampled_from(["grid", "pooled"])),
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(["a", "b"]), st.sampled_from(["grid", "pooled"])),
)
def test_keys_differ_exactly_where_what_they_stand_for_differs(one: tuple, other: tuple) -> None:  # type: ignore[type-arg]
    keys = [feature_key(View(f"{image:064x}", view), backbone, mode) for image, view, backbone, mode in (one, other)]

    assert (keys[0] == keys[1]) == (one == other)


def test_mapped_rows_are_the_same_and_leave_no_file(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.write([key(1), key(2)], features([1, 2]))
    cache.write([key(3)], features([3]))
    wanted = [key(3), key(1), key(3)]

    mapped = cache.read(wanted, mapped=True)

    assert torch.equal(mapped.levels[0], cache.read(wanted).levels[0])
    assert torch.equal(mapped[torch.tensor([1, 0])].levels[0][:, 0].float(), torch.tensor([1.0, 3.0]))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".safetensors"] * 2
