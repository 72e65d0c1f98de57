"""A Bento in BentoML's own store, where `bentoml list`, `serve`, `containerize` and `export` find it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from components.errors import UserInputError
from components.files import write_text

__all__ = ["bento_tag", "put_into_store"]

_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"


def put_into_store(bento: Path, *, cuda: bool = False) -> str:
    """Copy a Bento into the store that `BENTOML_HOME` names (or `~/bentoml`); one of the same version is replaced.

    Args:
        bento: the folder that the stage `package` wrote.
        cuda: containers get torch with CUDA, some gigabytes more; else torch's build for processors.

    Returns:
        Its tag, `shotline-classifier:VERSION`.

    Raises:
        UserInputError: there is no Bento.
    """
    tag = bento_tag(bento)
    import bentoml
    from bentoml.exceptions import NotFound

    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(bento, Path(scratch) / "bento"))
        if not cuda:
            requirements = copy / "env/python/requirements.txt"
            write_text(requirements, f"--extra-index-url {_CPU_WHEELS}\n{requirements.read_text(encoding='utf-8')}")
        with contextlib.suppress(NotFound):
            bentoml.delete(tag)
        return str(bentoml.import_bento(str(copy), "folder").tag)


def bento_tag(bento: Path) -> str:
    """`shotline-classifier:VERSION` of the Bento in that folder.

    Raises:
        UserInputError: there is none.
    """
    import yaml

    file = bento / "bento.yaml"
    if not file.is_file():
        raise UserInputError("there is no Bento yet", on=str(bento), remedy="run `shotline train`")
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    return f"{said['name']}:{said['version']}"
