"""One trained workspace, shared by the stories that only look at it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from components.backbone import BackboneSettings, load_with_beside
from components.classifier import Bundle
from components.liteembed.vocabulary import build_vocabulary
from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.prefect_servers import prefect_server
from tests.support.stories import CLASSES, Run


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five colours, eight training and four test photos each."""
    root = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(CLASSES):
        for photo in range(12):
            split = "train" if photo < 8 else "test"
            draw_photo(root / split / name / f"{photo:02d}.jpg", 100 * number + photo, hue=50 * number)
    return root


@pytest.fixture(scope="session")
def trained(
    make_workspace: Callable[[], Path],
    run_command: Run,
    photo_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Path:
    """A workspace after `shotline train PHOTOS --shots 4 --plain`, its words encoded. Not to be changed.

    Test processes that run side by side share it: the first makes it, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    where = (base if worker_id == "master" else base.parent) / "trained"
    with FileLock(f"{where}.lock"):
        if not where.is_file():
            workspace = make_workspace()
            done = run_command("shotline", "train", photo_folder, "--shots", "4", "--plain", cwd=workspace)
            (workspace / "reports/printed.txt").write_text(done.stdout)
            encode_words(Workspace(workspace))
            where.write_text(str(workspace))
        return Path(where.read_text())


def encode_words(workspace: Workspace) -> None:
    """Encode the words that judge a new class; each story that adds one would do it, in its own copy."""
    backbone = load_with_beside(workspace.parameters.section("backbone", BackboneSettings), workspace.models)
    template = Bundle.load(workspace.bundle).templates[0]
    build_vocabulary(backbone, workspace.features_cache / "vocabulary", kind="starter", template=template)


@pytest.fixture
def copy_of_trained(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that a story may change."""
    return Path(shutil.copytree(trained, tmp_path / "copy", symlinks=True))


@pytest.fixture(scope="module")  # idle, it takes a tenth of a core
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Prefect server's API."""
    with prefect_server(tmp_path_factory.mktemp("prefect-server")) as (api, _):
        yield api
