import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional as F

from components.artefacts import embeddings_file, read_embeddings, write_embeddings
from components.errors import ShotlineError
from components.store import EmbeddingStore
from tests.conftest import REPOSITORY

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(folder: Path) -> EmbeddingStore:
    repository = folder / "data/feature_store"
    repository.mkdir(parents=True)
    shutil.copy(REPOSITORY / "data/feature_store/feature_store.yaml", repository)
    rows = write_embeddings(
        embeddings_file(folder / "data/features"),
        ((["a", "b"], [view, view], embeddings()[2 * view : 2 * view + 2]) for view in range(3)),
        SINCE,
    )
    assert rows == 6
    return EmbeddingStore(repository)


def embeddings() -> torch.Tensor:
    return F.normalize(torch.randn(6, 8, generator=torch.Generator().manual_seed(0)), dim=-1)


def test_as_many_rows_come_back_as_were_asked_for_in_their_order(store: EmbeddingStore, folder: Path) -> None:
    wanted = [("b", 2), ("a", 0), ("a", 0), ("b", 0)]

    assert torch.equal(store.read(wanted, SINCE), embeddings()[[5, 0, 0, 1]])
    assert torch.equal(read_embeddings(embeddings_file(folder / "data/features"), wanted), store.read(wanted, SINCE))


def test_of_a_large_file_only_what_is_wanted_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(40.0).reshape(20, 2)
    chunks = [([str(row)], [0], rows[row : row + 1]) for row in range(20)]
    write_embeddings(embeddings_file(tmp_path), chunks, SINCE)
    groups: list[int] = []
    real = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: list[str]) -> pa.Table:
        groups.append(group)
        return real(self, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    found = read_embeddings(embeddings_file(tmp_path), [("17", 0), ("4", 0)])

    assert torch.equal(found, rows[[17, 4]])
    assert groups == [0, 4, 17]  # the first one tells the width
    assert read_embeddings(embeddings_file(tmp_path), []).shape == (0, 2)


def test_the_definitions_are_applied_once(store: EmbeddingStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from feast import FeatureStore

    from components.store.repository import feature_store

    store.read([("a", 0)], SINCE)
    applied: list[int] = []
    monkeypatch.setattr(FeatureStore, "apply", lambda self, wanted: applied.append(len(wanted)))
    feature_store(folder / "data/feature_store")
    assert applied == []
    (folder / "moved").mkdir()
    shutil.copytree(folder / "data", folder / "moved/data")
    feature_store(folder / "moved/data/feature_store")  # its views lie over other files
    assert len(applied) == 1


def test_what_was_not_there_yet_is_not_found(store: EmbeddingStore) -> None:
    with pytest.raises(ShotlineError, match="2 embeddings were asked for"):
        store.read([("a", 0), ("b", 0)], datetime(2025, 12, 31, tzinfo=UTC))


def test_an_unknown_view_is_an_error(store: EmbeddingStore, folder: Path) -> None:
    with pytest.raises(ShotlineError, match="1 of them empty"):
        store.read([("a", 0), ("nobody", 0)], SINCE)
    with pytest.raises(ShotlineError, match="1 of 2 embeddings"):
        read_embeddings(embeddings_file(folder / "data/features"), [("a", 0), ("nobody", 0)])
