"""ONNX Runtime Web's files for a page, from its npm package, which npm fetches or a person has on disk."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from components.errors import ShotlineError, UserInputError
from components.files import write_bytes

__all__ = ["RUNTIME_FILES", "RUNTIME_VERSION", "copy_runtime"]

RUNTIME_VERSION = "1.22.0"
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)  # for processors alone
_PACKAGE = f"onnxruntime-web@{RUNTIME_VERSION}"
_INTEGRITY = (
    "Ud/+EBo6mhuaQWt/OjaOk0iNWjXqJoeeMFr6xQEERZdIZH2OWpGzuujz7lfuOBjUa6TEE/sc4nb7Da5dNL34fg=="  # of its archive
)
_NPM_S = 300
_REMEDY = f"on a machine with npm and a network run `npm pack {_PACKAGE}`, and name what it wrote with --runtime"


def copy_runtime(target: Path, source: Path | None = None) -> None:
    """Put `RUNTIME_FILES` into the folder `target`.

    Args:
        target: made.
        source: the package, as `npm pack` wrote it (.tgz) or as `npm install` unpacked it; None: npm fetches it.

    Raises:
        UserInputError: the source does not hold them, or is another version's archive.
        ShotlineError: there is no npm, or it cannot fetch the package.
    """
    if source is None:
        with tempfile.TemporaryDirectory(prefix="shotline-") as folder:
            _from_archive(_packed(Path(folder)), target)
    elif source.is_dir():
        dist = source / "dist" if (source / "dist").is_dir() else source
        for name in RUNTIME_FILES:
            if not (dist / name).is_file():
                raise UserInputError(f"{name} is not in it", on=str(source), remedy=_REMEDY)
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(dist / name, target / name)
    else:
        _from_archive(source, target)


def _packed(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ShotlineError("npm, which fetches ONNX Runtime Web, is not installed", on=_PACKAGE, remedy=_REMEDY)
    try:
        done = subprocess.run(
            [npm, "pack", _PACKAGE, "--silent", "--pack-destination", str(folder)],
            capture_output=True,
            text=True,
            timeout=_NPM_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ShotlineError("npm did not fetch it in five minutes", on=_PACKAGE, remedy=_REMEDY) from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        told = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
        raise ShotlineError(f"npm cannot fetch it: {told[:200]}", on=_PACKAGE, remedy=_REMEDY)
    return archives[0]


def _from_archive(archive: Path, target: Path) -> None:
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise UserInputError(f"it cannot be read: {error.strerror}", on=str(archive), remedy=_REMEDY) from None
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != _INTEGRITY:
        raise UserInputError(f"it is not the archive of {_PACKAGE}", on=str(archive), remedy=_REMEDY)
    with tarfile.open(archive) as members:
        for name in RUNTIME_FILES:
            file = members.extractfile(f"package/dist/{name}")
            assert file is not None  # its hash says that the file is complete
            write_bytes(target / name, file.read())
