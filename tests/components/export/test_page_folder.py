"""The page in Chromium with the network off: it answers as the classifier does, from the files of its folder alone."""

from __future__ import annotations

import dataclasses
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from components.bank import Answering, Bank
from components.classifier import Bundle
from components.errors import ShotlineError, UserInputError
from components.export import web_runtime
from components.export.page_folder import write_page
from components.export.recipes.answer import prepared
from components.export.web_runtime import RUNTIME_FILES, RUNTIME_VERSION, copy_runtime
from components.features import level_features
from components.ingest import load_image
from tests.conftest import REPOSITORY, draw_photo
from tests.support.small_export import draw_task, small_backbone, small_classifier

SIZES = [(300, 200), (90, 333), (96, 96), (97, 64)]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What npm gives."""
    folder = tmp_path_factory.mktemp("runtime")
    try:
        copy_runtime(folder)
    except ShotlineError as error:
        pytest.skip(f"npm cannot fetch ONNX Runtime Web here: {error}")
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bank, list[Path]]:
    """MAP-LR with an added class, and the photos of its trained ones."""
    trained, added = draw_task(tmp_path_factory.mktemp("photos"))
    bundle, bank = small_classifier("map_lr", trained, added)
    return bundle, bank, trained


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, runtime: Path, classifier: tuple[Bundle, Bank, list[Path]]) -> Path:
    """The page of that classifier."""
    bundle, bank, trained = classifier
    bundle = dataclasses.replace(bundle, backbone={**bundle.backbone, "name": str(REPOSITORY / "tests/small_clip")})
    folder = tmp_path_factory.mktemp("page")
    write_page(folder, bundle, bank, REPOSITORY, trained, card="# A card\n", runtime=runtime)
    return folder


@pytest.fixture(scope="module")
def address(page: Path) -> Iterator[str]:
    """Where a web host offers the page."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(page))

        def log_message(self, format: str, *values: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://localhost:{host.server_port}/"
        host.shutdown()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
def test_it_answers_without_a_network_as_the_classifier_does(
    address: str, browser: Browser, tmp_path: Path, classifier: tuple[Bundle, Bank, list[Path]]
) -> None:
    files = [tmp_path / f"{number}.png" for number in range(len(SIZES))]
    for number, (file, size) in enumerate(zip(files, SIZES, strict=True)):
        draw_photo(file.with_suffix(".jpg"), 500 + number, hue=60 * number, size=size)
        Image.open(file.with_suffix(".jpg")).save(file)
    (tmp_path / "text.jpg").write_text("words")
    context = browser.new_context(viewport={"width": 390, "height": 844})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    opened.locator("#status:has-text('Ready')").wait_for(timeout=120_000)
    opened.evaluate("navigator.serviceWorker.ready.then(() => 1)")

    context.set_offline(True)
    opened.reload()
    opened.locator("#status:has-text('Ready')").wait_for(timeout=120_000)
    opened.set_input_files("#files", [str(file) for file in (*files, tmp_path / "text.jpg")])
    opened.locator(f"article:nth-of-type({len(files)})").wait_for(timeout=120_000)
    opened.locator(".note.bad").wait_for()
    assert "text.jpg: this browser cannot read it as a photo" in opened.locator(".note.bad").inner_text()

    said = opened.evaluate(
        """async (photos) => {
          const { Classifier } = await import("./classifier.js");
          const classifier = await Classifier.load();
          const answers = [];
          for (const photo of photos) {
            const { top, unknown } = await classifier.answer(new Blob([Uint8Array.from(photo)]));
            answers.push({ probabilities: Object.fromEntries(top.map((e) => [e.class, e.probability])), unknown });
          }
          return answers;
        }""",
        [list(file.read_bytes()) for file in files],
    )
    bundle, bank, _ = classifier
    answering = Answering.of(bundle, bank)
    backbone = small_backbone()
    for file, answer in zip(files, said, strict=True):
        pixels = backbone.preprocess(load_image(file))[None]
        features = level_features(backbone.encode_images(pixels, levels=True), bundle.head.level_mode)
        own = answering.answer(features)
        names = (*bundle.class_names, *bank.names)
        expected = dict(zip(names, own.probabilities[0].tolist(), strict=True))
        assert answer["probabilities"] == pytest.approx(expected, abs=1e-3)
        assert answer["unknown"] == bool(own.abstained[0])
    assert wrong == []
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390  # a telephone's


@pytest.mark.browser
def test_photos_are_resized_as_pillow_does_it_to_the_last_bit(address: str, browser: Browser) -> None:
    opened = browser.new_context().new_page()
    opened.goto(f"{address}look.css")  # any page of that host
    for (width, height), interpolation in zip([*SIZES, (64, 50)], ["bicubic", "bilinear"] * 3, strict=False):
        noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
        how = {"size": [64, 64], "interpolation": interpolation, "resize_mode": "shortest"}
        made = opened.evaluate(
            """async ([pixels, width, height, how]) => {
              const { prepared } = await import("./resize.js");
              return Array.from(prepared(Uint8Array.from(pixels), width, height, how));
            }""",
            [noise.flatten().tolist(), width, height, how],
        )
        assert made == prepared(Image.fromarray(noise), how).flatten().tolist()


def test_the_folder_stands_alone_and_nothing_else_is_overwritten(
    page: Path, classifier: tuple[Bundle, Bank, list[Path]], runtime: Path, tmp_path: Path
) -> None:
    text = "".join((page / name).read_text() for name in ("index.html", "page.js", "classifier.js", "page.css"))
    assert "http" not in text.replace("http-equiv", "")
    kept = (page / "offline.js").read_text()
    for file in page.rglob("*"):
        if file.is_file() and file.name not in ("index.html", "offline.js"):
            assert f'"{file.relative_to(page)}"' in kept
    bundle, bank, trained = classifier
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserInputError, match="something else"):
        write_page(tmp_path, bundle, bank, REPOSITORY, trained, card="", runtime=runtime)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_runtime_is_the_one_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.tgz").write_bytes(b"another")
    with pytest.raises(UserInputError, match=f"onnxruntime-web@{RUNTIME_VERSION}"):
        copy_runtime(tmp_path / "to", tmp_path / "other.tgz")
    with pytest.raises(UserInputError, match=RUNTIME_FILES[0]):
        copy_runtime(tmp_path / "to", tmp_path)
    monkeypatch.setattr(web_runtime.shutil, "which", lambda name: None)
    with pytest.raises(ShotlineError, match="npm, which fetches"):
        copy_runtime(tmp_path / "to")
    monkeypatch.setattr(web_runtime.shutil, "which", lambda name: "/npm")
    failed = subprocess.CompletedProcess([], 1, "", "npm error network ENOTFOUND\n")
    monkeypatch.setattr(web_runtime.subprocess, "run", lambda *given, **options: failed)
    with pytest.raises(ShotlineError, match=r"ENOTFOUND.*--runtime"):
        copy_runtime(tmp_path / "to")
    assert not (tmp_path / "to").exists()
