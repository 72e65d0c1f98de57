"""What operating systems, disks, network drives and photo programs leave among photos: the one list of it.

Photo folders and the inbox skip all of it silently, since nobody put it there as a photo of a class. Only names that
nobody would give to a class or a photo belong here: `recycled` may be a class, `$RECYCLE.BIN` is none.
"""

import re

__all__ = ["is_left_behind"]

_NAMES = frozenset(
    {
        # Windows
        *("desktop.ini", "$recycle.bin", "system volume information", "found.000", "zbthumbnail.info"),
        # macOS, and its shares on other systems
        *(".ds_store", "__macosx", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".trashes", ".apdisk"),
        *(".appledouble", ".appledb", ".appledesktop", ".localized", ".documentrevisions-v100", ".volumeicon.icns"),
        *("icon\r", "network trash folder", "temporary items", "thevolumesettingsfolder", "resource.frk", "finder.dat"),
        # Linux
        *("lost+found", ".directory", ".thumbnails", ".cache", ".recycle", ".sh_thumbnails", ".nomedia"),
        # network drives: Synology, QNAP, NetApp, ZFS
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@sharebin", "@sharesnap", "@database", "@synologydrive"),
        *("@recycle", "@recently-snapshot", ".@__thumb", ".@upload_cache", ".streams", "~snapshot", ".snapshot"),
        *(".snapshots", ".zfs"),
        # programs that synchronise, and that keep photos
        *(".stfolder", ".stversions", ".stignore", ".sync", ".dropbox", ".dropbox.cache", ".dropbox.attr"),
        *(".owncloudsync.log", ".csync_journal.db", ".sync.ffs_db", "sync.ffs_db", "_gsdata_", ".tmp.drivedownload"),
        *(".tmp.driveupload", ".picasa.ini", "picasa.ini", ".picasaoriginals", ".comments", ".dtrash", ".xvpics"),
        # programs that developers use
        *(".git", ".gitignore", ".gitattributes", ".gitkeep", ".keep", ".hg", ".svn", ".dvc", ".dvcignore"),
        *(".ipynb_checkpoints", "__pycache__", ".idea", ".vscode", ".venv"),
    }
)

_PHOTO = r"\.(?:jpe?g|png|heic|heif|webp|gif|bmp|tiff?|avif|dng|cr[23w]|nef|arw|raf|orf|rw2|mp4|mov)"
_PATTERNS = re.compile(
    "|".join(
        (
            r"(?:eh)?thumbs(?:_vista)?(?: ?\(\d+\))?\.db(?::encryptable)?",
            r"\._.*",  # AppleDouble: a file's Finder facts on a foreign disk
            r"\.trash.*|\.nfs[0-9a-f]{8,}|\.fuse_hidden.*|\.smbdelete.*|\.syncthing\..*|~syncthing~.*|\.goutputstream-.*",
            # streams that Windows and macOS keep beside a file, copied to a disk that has none; the colon is often
            # replaced, on Windows' shares by U+F03A
            r".*[:\uf022\uf03a._]?zone\.identifier(?::\$data)?",
            r".*[:\uf022\uf03a](?:smartscreen|encryptable|favicon|afp_afpinfo|afp_resource|com\.[a-z]+\..*)(?::\$data)?",
            r".*@syno(?:eastream|resource)|syno(?:photo|file|index|video)_.*",
            r"albumart(?:_\{[0-9a-f-]+\}_(?:large|small)|small)\.jpg",
            r"~\$.*|\.~lock\..*#|\.#.*|#.*#",  # locks and copies of programs that have a file open
            # sidecars: what a program noted of a photo, which lies beside it
            rf".*\.(?:xmp|aae|thm|lrv|pp3|dop|nksc|on1|ithmb)|.*{_PHOTO}(?:\.suppl[a-z-]*)?(?:\(\d+\))?\.json",
        )
    ),
    re.DOTALL,
)


def is_left_behind(name: str) -> bool:
    """Whether a file or folder of that name was left by a system or program, and is nobody's photo or class.

    >>> is_left_behind("@eaDir"), is_left_behind("x.jpg:Zone.Identifier"), is_left_behind("crack")
    (True, True, False)
    """
    known = name.casefold()
    return known in _NAMES or _PATTERNS.fullmatch(known) is not None
