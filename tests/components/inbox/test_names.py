"""What names say of files that are not whole yet."""

from __future__ import annotations

import pytest

from components.inbox import is_doubtful, is_under_way

UNDER_WAY = [
    *("x.jpg.part", "x.jpg.PART", "x.jpg.part2", "x.jpg.crdownload", "Unconfirmed 4711.crdownload", "x.jpg.download"),
    *("x.jpg.tmp", "x.tmp", "x.jpg.tmp.4711", "x.jpg.filepart", "x.jpg.partial", "x.jpg.partial~", "x.jpg.opdownload"),
    *(
        "x.jpg.lftp",
        "x.jpg.!qB",
        "x.jpg.!ut",
        "x.jpg.ut!",
        "x.jpg.bc!",
        "x.jpg.aria2",
        "x.jpg.aria2__temp",
        "x.jpg.xltd",
    ),
    *("x.jpg.lftp-pget-status", "x.jpg.fdmdownload", "x.jpg.dctmp", "x.jpg.incomplete", "x.jpg.in-progress"),
    *("x.jpg.uploading", "x.jpg.temp", "x.jpg.!sync", "x.jpg.swp", "x.jpg.sb-1a2b3c4d-AbCdEf", "x.jpg.dtapart"),
    *(".x.jpg.AbC123", ".in.x.jpg", ".syncthing.x.jpg.tmp", ".goutputstream-ABC123", ".nfs000000000001", "~tmp1.jpg"),
    *(
        ".pending-1700000000-IMG_1.jpg",
        ".trashed-1700000000-IMG_1.jpg",
        "~$x.jpg",
        ".~x.jpg",
        ".x.jpg.swp",
        "x.jpg.lock",
    ),
]
DOUBTFUL = [
    "x.jp~",
    "~x.jpg",
    "x.jpg_",
    "x.jpg~",
    "x.jpg.4711",
    "x.jpg.new",
    "x.JPG.abc",
    "x.png-",
    "x.jpg.xyz!",
    "x.jpg$",
]
FINAL = [
    "x.jpg",
    "X.JPEG",
    "_MG_0001.JPG",
    "x.part.jpg",
    "x.jpg.jpg",
    "IMG_0001",
    "tmp.jpg",
    "template.png",
    "x.tmp.jpg",
]


@pytest.mark.parametrize("name", UNDER_WAY)
def test_a_program_says_that_it_is_not_whole(name: str) -> None:
    assert is_under_way(name)


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_name_that_is_no_photo_s_own_gives_reason_to_wait(name: str) -> None:
    assert is_doubtful(name)
    assert not is_under_way(name)


@pytest.mark.parametrize("name", FINAL)
def test_a_photo_s_own_name_gives_none(name: str) -> None:
    assert not is_doubtful(name)
    assert not is_under_way(name, [name, "other.jpg.part"])


@pytest.mark.parametrize("beside", ["x.jpg.aria2", "x.jpg.part", "x.jpg.lftp-pget-status", "x.jpg.crdownload"])
def test_what_a_program_keeps_beside_it_says_so_too(beside: str) -> None:
    assert is_under_way("x.jpg", ["x.jpg", beside])
    assert not is_under_way("xx.jpg", ["xx.jpg", beside])


def test_an_editor_s_earlier_state_is_no_photo_of_its_own() -> None:
    assert is_under_way("x.jpg~", ["x.jpg", "x.jpg~"])
