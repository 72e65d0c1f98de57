"""Recognises unfinished files by their names: programs write under another name, and rename at the end."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["is_doubtful", "is_under_way"]

_PHOTO = (
    r"\.(?:jpe?g|jpe|jfif|mpo|a?png|webp|gif|bmp|dib|tiff?|avif|heic|heif|p[pgbn]m|jp2|j2k|dng|cr[23]|nef|arw|raf|orf)"
)

# Endings of unfinished files: browsers, downloaders, transfer programs, synchronisers, editors.
_PROGRAMS = "|".join(
    (
        *("part", "partial", "filepart", "dtapart", "te?mp", "incomplete", "in-?progress", "unfinished", "unconfirmed"),
        *("crdownload", "opdownload", "fdmdownload", "download", "downloading", "upload", "uploading", "copying"),
        *(
            "transferring",
            "writing",
            "wip",
            "aria2",
            "aria2__temp",
            "lftp",
            "lftp-pget-status",
            "xltd",
            r"td(?:\.cfg)?",
        ),
        *(
            "!qb",
            "!ut",
            "ut!",
            "!bt",
            "bc!",
            "jc!?",
            "!sync",
            "dctmp",
            "getright",
            "idm",
            "xunlei",
            "axel",
            "swp",
            "swx",
        ),
        *("lo?ck", "filelock", "ftp(?:tmp|part)", "nc-?part", "ocTransferId[0-9]+", "rsync", "scp", "stignore"),
    )
)
# Hidden: rsync, lftp, Syncthing, GNOME, NFS, Android's bin and what it has not finished.
_BEGINS = re.compile(r"\.|~\$|~te?mp|te?mp~", re.IGNORECASE)
_ENDS = re.compile(
    "|".join(
        (
            rf".*\.(?:{_PROGRAMS})(?:[-_.]?[0-9a-z]{{1,12}}|\([0-9]+\)|~)?",  # x.jpg.part, x.jpg.part2, x.jpg.tmp.4711
            r".*\.sb-[0-9a-f]{8}-\w{6}",  # macOS, while a document is saved
            r".*\.~tmp~?",
        )
    ),
    re.DOTALL | re.IGNORECASE,
)
_OWN_ENDING = re.compile(rf".*{_PHOTO}", re.DOTALL | re.IGNORECASE)
_MORE_THAN_ITS_ENDING = re.compile(rf".+{_PHOTO}.+", re.DOTALL | re.IGNORECASE)


def is_under_way(name: str, beside: Collection[str] = ()) -> bool:
    """Whether this name, or the name of a file beside it, says that the file is not complete yet.

    Args:
        name: of the file.
        beside: names of all files in its folder. A downloader keeps its notes in `x.jpg.aria2` while it fills `x.jpg`,
            and an editor an earlier state in `x.jpg~`.

    >>> is_under_way("x.jpg.part"), is_under_way(".x.jpg.AbC123"), is_under_way("x.jpg", ["x.jpg", "x.jpg.aria2"])
    (True, True, True)
    >>> is_under_way("x.part.jpg"), is_under_way("spare.part/x.jpg")
    (False, False)
    """
    if _BEGINS.match(name) or _ends_as_under_way(name):
        return True
    if name.endswith("~") and name[:-1] in beside:
        return True
    return any(other.startswith(f"{name}.") and _ends_as_under_way(other) for other in beside)


def is_doubtful(name: str) -> bool:
    """Whether a name looks like a program's name for an unfinished file, without being a known one.

    >>> is_doubtful("x.jpg_"), is_doubtful("~x.jpg"), is_doubtful("x.jp~"), is_doubtful("x.jpg.4711"), is_doubtful("x.jpg")
    (True, True, True, True, False)
    """
    if name.startswith("~") or name.endswith(("~", "_", "!", "$")):
        return True
    return _OWN_ENDING.fullmatch(name) is None and _MORE_THAN_ITS_ENDING.fullmatch(name) is not None


def _ends_as_under_way(name: str) -> bool:
    # `x.part.jpg` has a photo's ending, and may be the photo of a part.
    return _ENDS.fullmatch(name) is not None and _OWN_ENDING.fullmatch(name) is None
