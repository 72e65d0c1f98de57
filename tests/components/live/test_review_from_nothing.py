"""A pool beside which nothing is trained: review says what to begin with."""

from collections.abc import Callable
from pathlib import Path

from components.ingest import Limits
from components.live.opening import LiveWorkspace
from components.live.review import give_word, into_folders, review
from components.pool import Pool, add_photos
from components.workspace import Workspace
from tests.conftest import draw_photo


def test_the_first_photos_are_of_different_things_and_go_into_one_folder(
    make_workspace: Callable[[], Path], tmp_path: Path
) -> None:
    place = Workspace(make_workspace())
    for hue in (0, 85, 170):
        for number in range(4):
            draw_photo(tmp_path / "pool" / f"{hue}-{number}.jpg", 100 * hue + number, hue)
    pool = Pool(place.pool)
    add_photos(pool, [tmp_path / "pool"], limits=Limits(), most_bytes=10**8, time="2026-01-01T00:00:00.000+00:00")
    live = LiveWorkspace.open(place)

    items = review(live, place, 3)

    assert len({item.name.split("/")[-1].split("-")[0] for item in items}) == 3
    assert all(not item.likely and not item.abstained for item in items)
    assert {path.parent.name for path in into_folders(items, tmp_path / "look")} == {"unsorted"}

    give_word(place, [items[0].photo], "bad")
    assert items[0].photo not in {item.photo for item in review(live, place, 12)}
