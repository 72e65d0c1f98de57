"""Which photos `shotline check` looks at, and how it ends."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from components.bank import ArrivalPhotos, Ledger, LedgerEntry
from components.errors import UserInputError
from components.files import sha256_bytes
from components.pool import Pool, PooledPhoto
from components.stages import checking
from components.validate import StoredPhoto
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.drawn_workspace import draw


class Silent:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments: None


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "workspace").mkdir()
    return draw(tmp_path / "workspace")


def photo_of(folder: Path, number: int) -> bytes:
    draw_photo(folder / f"{number}.jpg", number, size=(64, 64))
    return (folder / f"{number}.jpg").read_bytes()


def test_arrivals_and_pool_are_looked_at_and_what_was_removed_is_not(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, ledger = ArrivalPhotos(workspace.arrivals / "photos"), Ledger(workspace.ledger)

    def write(entries: Sequence[LedgerEntry]) -> None:
        with ledger.turn():
            ledger.append(entries)

    for number, name in enumerate(("rust", "dent")):
        photo = kept.keep(photo_of(tmp_path, number))
        write([LedgerEntry("add", "anna", "2026-01-01T00:00:00+00:00", "", name=name, photos=(photo,))])
    write([LedgerEntry("remove", "anna", "2026-01-02T00:00:00+00:00", "", name="dent")])
    content = photo_of(tmp_path, 7)
    pooled = PooledPhoto(
        sha256_bytes(content),
        "7.jpg",
        "folder",
        "2026-01-01T00:00:00+00:00",
        len(content),
        b64encode(bytes(256)).decode(),
    )
    Pool(workspace.pool).keep([pooled], [content])
    seen: list[StoredPhoto] = []
    monkeypatch.setattr(checking, "check_stored", lambda photos, *others: seen.extend(photos) or [])

    checking.check_photos(Workspace(workspace.root), Silent())
    assert [(each.label, each.width, each.path.split("/")[1]) for each in seen] == [
        ("rust", 64, "arrivals"),
        ("", 64, "pool"),
    ]


def test_a_folder_is_checked_before_it_comes_in(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    from flows.commands.upkeep import check

    folder = tmp_path / "new"
    photo_of(folder / "rust", 1)
    (folder / "rust/2.jpg").write_bytes(photo_of(tmp_path, 2)[:300])
    with pytest.raises(typer.Exit) as ended:
        check(folder, workspace=workspace.root)
    told = capsys.readouterr().out
    assert ended.value.exit_code == 2
    assert "bad: every photo can be decoded; this fails for rust/2.jpg" in told
    assert "2 photos, 7 checks, " in told

    (folder / "rust/1.jpg").unlink()
    (folder / "rust/2.jpg").unlink()
    with pytest.raises(UserInputError, match="the folder holds no photo"):
        check(folder, workspace=workspace.root)
