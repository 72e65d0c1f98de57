"""What tests share: a fake backbone, drawn photos, workspaces."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import components  # noqa: F401  (telemetry off before anything else is imported)
from components.backbone import BackboneIdentity, Encoded, Projector
from components.files import sha256_bytes
from components.workspace import Workspace, init_workspace

# How long a draw takes says something of the machine, nothing of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

REPOSITORY = Path(__file__).resolve().parents[1]
STORY_HEADS = ("zero_shot", "nearest_mean", "linear_probe", "map_lr", "ldc")


# What lasts longest begins first, and beside the story that makes the trained workspace what does not need it.
BEGIN_FIRST = (
    "journeys/test_serving",
    "components/ldc",
    "components/export",
    "components/live",
    "components/liteembed",
    "journeys",
    "flows",
    "",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See `BEGIN_FIRST`."""

    def place(item: pytest.Item) -> int:
        module = item.path.relative_to(REPOSITORY / "tests").as_posix()
        return next(number for number, begin in enumerate(BEGIN_FIRST) if module.startswith(begin))

    items.sort(key=place)


# Every test process imports every test file, most of which it never runs: what takes a second to import and stands
# beside the product (scikit-learn, scipy.stats, Schemathesis) is imported in the tests that use it. What was collected
# stays until the end: the garbage collector need not look at it meanwhile, nor while it grows.
gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """One thread: what tests multiply is too small to share out. A test that needs more sets them itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; the test skips where there is none, and fails where none may skip."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        told = "Chromium is not installed (Debian: apt-get install chromium)"
        if os.environ.get("SHOTLINE_NO_SKIPS"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@dataclass
class FakeBackbone:
    """A deterministic projection of a photo's colours that counts its forward passes; no weights, no open_clip."""

    identity: BackboneIdentity = field(
        default_factory=lambda: BackboneIdentity("fake", "0" * 64, {"size": 16}, "fp32", "cpu")
    )
    logit_scale: float = 100.0
    covariance: Tensor | None = None
    projector: Projector | None = None
    class_tokens: bool = False
    rows: int = 0
    batches: int = 0
    counting: threading.Lock = field(default_factory=threading.Lock)

    def preprocess(self, image: Image.Image) -> Tensor:
        pixels = np.asarray(image.resize((16, 16)), dtype=np.float32) / 255
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())

    def encode_images(self, pixels: Tensor, *, levels: bool = False) -> Encoded:
        rows = int((pixels.flatten(1).abs().sum(1) > 0).sum())
        with self.counting:  # partitions are encoded in threads
            self.rows += rows
            self.batches += 1
        mixing = torch.randn(pixels[0].numel(), 32, generator=torch.Generator().manual_seed(1))
        embedding = F.normalize(pixels.flatten(1) @ mixing, dim=-1)
        maps = tuple(F.avg_pool2d(pixels, 2**k) for k in range(4)) if levels else ()
        tokens = tuple(level.amax((2, 3)) for level in maps) if self.class_tokens else ()
        return Encoded(embedding, maps, tokens)

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        rows = []
        for text in texts:
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
            rows.append(torch.randn(32, generator=torch.Generator().manual_seed(seed)))
        return F.normalize(torch.stack(rows), dim=-1)


@pytest.fixture
def backbone() -> FakeBackbone:
    return FakeBackbone()


def draw_photo(path: Path, seed: int, hue: int = 0, size: tuple[int, int] = (64, 48)) -> None:
    """A small JPEG: a coloured texture that `hue` (0 to 255) sets apart and `seed` varies."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 90, (6, 8, 3)).astype(np.uint8)
    texture = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    colour = np.asarray(Image.new("HSV", (1, 1), (hue, 200, 160)).convert("RGB"))[0, 0].astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(texture + colour - 40, 0, 255).astype(np.uint8)).save(path, quality=90)


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    """Twenty photos by id."""
    found = {}
    for number in range(20):
        path = tmp_path / "photos" / f"{number:02d}.jpg"
        draw_photo(path, number, hue=number * 12)
        found[sha256_bytes(path.read_bytes())] = path
    return found


@pytest.fixture(scope="session")
def make_workspace(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A fresh workspace at each call, as `shotline init` makes it, committed, no photos, with a smaller backbone."""

    def make() -> Path:
        root = tmp_path_factory.mktemp("workspace")
        init_workspace(root)
        # A smaller one under that name: encoding a photo takes it a tenth of the time.
        shutil.rmtree(root / "models/embedded")
        shutil.copytree(REPOSITORY / "tests/small_clip", root / "models/embedded")
        # Processes that work on when a command has ended; the stories that are about them turn them on again.
        Workspace(root).set_parameters(
            {"feature_store.online": False, "tracking.arrivals": False, "liteembed.vocabulary": "starter"}
        )
        # Heads of each kind, and LDC as briefly as it can be: stories train many times.
        Workspace(root).set_parameters({"classifier.heads": list(STORY_HEADS), "ldc.epochs": 4})
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.compression=0"]
        subprocess.run([*git, "add", "--all"], cwd=root, check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", "start"], cwd=root, check=True)
        return root

    return make


@pytest.fixture(scope="session")
def run_command(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of this environment (`shotline`, `dvc`) as a user would; fails the test where it exits otherwise.

    A `shotline` that needs no other environment is called in this process: what it prints and how it exits
    are the same, and the libraries, 3 to 10 seconds a process, are loaded once. A Prefect flow, unless it is `called`
    to be refused before it begins, and what is to be killed or measured, has a process of its own. A `prefect` that is
    `called` asks the server that `env` names.
    """
    home = tmp_path_factory.mktemp("home")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(home / "prefect"),
        "BENTOML_HOME": str(home / "bentoml"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc-global"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
    }

    def run(
        *command: str | Path,
        cwd: Path,
        expect: int = 0,
        env: dict[str, str] | None = None,
        timeout_s: float = 300,
        called: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        variables = {**environment, **(env or {})}
        flow = command[1:2] in (("train",), ("consolidate",)) and "--plain" not in command
        of_its_own = flow or command[:2] == ("dvc", "repro")  # its log keeps the stream that it has begun with
        if command[0] in _CALLED and (called or (env is None and not of_its_own)):
            done = _called(_CALLED[command[0]], [str(part) for part in command[1:]], cwd, variables)
            assert done.returncode == expect, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
            return done
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == expect, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def _shotline(arguments: list[str]) -> None:
    from flows.cli import main

    main(arguments)


def _prefect(arguments: list[str]) -> int | None:
    from prefect.cli import app

    log = "prefect.logging.configuration.setup_logging"  # it would keep the stream that it begins with
    with mock.patch.object(sys, "argv", ["prefect", *arguments]), mock.patch(log):
        code: int | None = app()
    return code


_CALLED: dict[str | Path, Callable[[list[str]], int | None]] = {"shotline": _shotline, "prefect": _prefect}


def _prefect_of(environment: Mapping[str, str]) -> contextlib.AbstractContextManager[object]:
    """The server that the variables name: Prefect has read its settings when it was imported."""
    if "PREFECT_API_URL" not in environment:  # a flow that is called here is refused before it asks a server
        return mock.patch("flows.temporary_server.begin_temporary_server")
    from prefect.settings import PREFECT_API_URL, temporary_settings

    return temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]})


def _called(
    program: Callable[[list[str]], int | None], arguments: list[str], cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What a program prints and how it exits, called in this process as its console script calls it."""
    printed, told = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    exit_code = 0
    with (
        _prefect_of(environment),  # first: it may import Prefect, which reads the variables
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(told),
        mock.patch.dict(os.environ, environment),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # as a process of its own does; the rooms' own tests hear them
        try:
            exit_code = program(arguments) or 0
        except SystemExit as end:
            exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
    texts = [stream.buffer.getvalue().decode() for stream in (printed, told)]  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(arguments, exit_code, *texts)
