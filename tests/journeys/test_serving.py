"""The Bento answers as `classify` does, from a folder where nothing else of the project is."""

from __future__ import annotations

import ast
import asyncio
import collections
import dataclasses
import http.client
import importlib.metadata
import itertools
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import bentoml
import httpx
import psutil
import pytest
import torch

import shotline
from components.backbone import BackboneSettings, load_backbone
from components.classifier import Bundle
from components.ingest import Limits, load_image
from components.packaging.bento import build_bento
from components.workspace import Workspace
from tests.support.hostile import hostile_bodies, hostile_photos
from tests.support.services import Service, _answers, serving, starting
from tests.support.stories import Run, tree_digest

# Python runs it first in each process of the service.
NOTE_IMPORTS = """
import sys
noted = open({noted!r}, "a", buffering=1)
def note(event, arguments):
    if event == "import" and arguments[0].partition(".")[0] == "components":
        noted.write(arguments[0] + "\\n")
sys.addaudithook(note)
"""


@pytest.fixture(scope="module")
def elsewhere(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the Bento of `trained`, and nothing else of the project."""
    folder = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(trained / "models/bento", folder / "bento")
    return folder


@pytest.fixture(scope="module")
def service(elsewhere: Path) -> Iterator[Service]:
    """The Bento served from there; the names of the product's modules that it imports go into the file `imported`."""
    (elsewhere / "noting").mkdir()
    noted = NOTE_IMPORTS.format(noted=str(elsewhere / "imported"))
    (elsewhere / "noting/sitecustomize.py").write_text(noted)
    variables = {"PYTHONPATH": str(elsewhere / "noting")}
    with serving(elsewhere / "bento", elsewhere, Path(sys.executable).parent, variables) as running:
        yield running


@pytest.fixture(scope="module")
def photos(photo_folder: Path) -> list[Path]:
    return sorted((photo_folder / "train").rglob("*.jpg"))[:32]


@pytest.fixture(scope="module")
def full_precision(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `trained` that computes with fp32 arithmetic, as the service here does."""
    workspace = Path(shutil.copytree(trained, tmp_path_factory.mktemp("fp32") / "workspace", symlinks=True))
    Workspace.find(workspace).set_parameters({"backbone.precision": "fp32"})
    return workspace


@pytest.fixture(scope="module")
def classified(full_precision: Path, photos: list[Path], run_command: Run) -> list[dict[str, Any]]:
    """What `shotline classify` says."""
    lines = run_command("shotline", "classify", "--json", *photos, cwd=full_precision).stdout
    return [json.loads(line) for line in lines.splitlines()]


def assert_same_answers(service: Service, photos: list[Path], expected: list[dict[str, Any]]) -> None:
    """Served together, the photos get the answers that `classify` gave, to 1e-5."""
    status, answers = service.post_photos([(path.name, path.read_bytes()) for path in photos])

    assert status == 200
    for answer, other in zip(answers, expected, strict=True):
        assert_same_answer(answer, other)


def assert_same_answer(answer: dict[str, Any], other: dict[str, Any]) -> None:
    served = {ranked["class"]: ranked["probability"] for ranked in answer["top"]}
    assert served == pytest.approx({ranked["class"]: ranked["probability"] for ranked in other["top"]}, abs=1e-5)
    assert (answer["abstained"], answer["bank"]) == (other["abstained"], other["bank"])


@pytest.mark.parametrize("size", [1, 2, 32])
def test_answers_equal_those_of_classify(
    service: Service, photos: list[Path], classified: list[dict[str, Any]], size: int
) -> None:
    assert_same_answers(service, photos[:size], classified[:size])


def ask_edge(workspace: Path, photos: Sequence[tuple[str, bytes]], patch: pytest.MonkeyPatch) -> Any:
    """What `POST /classify` of a workspace answers: the edge and the classifier of the service, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # BentoML's own, of libraries beneath it
        from components.serving.batched import Classifier
        from components.serving.edge import edge_application
        from components.serving.edge.probes import Readiness

    patch.setenv("SHOTLINE_WORKSPACE", str(workspace))
    patch.setenv("SHOTLINE_PRECISION", "fp32")
    classifier = Classifier.inner()

    class Client:
        async def classify(self, contents: list[bytes]) -> list[dict[str, Any]]:
            return classifier.classify(contents)  # type: ignore[no-any-return]

    async def ready() -> bool:
        return True

    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(edge_application(Client, Readiness(ready)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/classify", files=[("images", photo) for photo in photos])

    response = asyncio.run(answered())
    assert response.status_code == 200
    return response.json()


def test_all_doors_give_the_same_answers(
    service: Service,
    full_precision: Path,
    photos: list[Path],
    classified: list[dict[str, Any]],
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The door of programs, the command line, the workspace's edge, the Bento, over HTTP and opened, and BentoML's client."""
    given = [*photos[:10], full_precision / "params.yaml"]
    sent = [(str(photo), photo.read_bytes()) for photo in given]
    opened = shotline.open(full_precision).classify(given)
    bento = shotline.open(trained / "models/bento", precision="fp32").classify([content for _, content in sent])
    edge = ask_edge(full_precision, sent, monkeypatch)
    status, served = service.post_photos(sent)

    with bentoml.SyncHTTPClient(f"http://127.0.0.1:{service.port}") as client:
        client._temp_dir.cleanup()  # it leaves it to the garbage collector, which warns
        by_bentoml = client.classify(images=given)

    assert status == 200
    for answers in (opened.to_json(), bento.to_json(), edge, served, by_bentoml):
        assert len(answers) == len(given)
        for answer, other in zip(answers[:10], classified[:10], strict=True):
            assert_same_answer(answer, other)
    assert edge[10]["error"] == served[10]["error"]
    for refused in (opened[10], bento[10]):
        assert isinstance(refused, shotline.PhotoError)
        assert (refused.reason, refused.what, refused.remedy) == tuple(edge[10]["error"].values())
    assert [each["path"] for each in edge] == [each["path"] for each in opened.to_json()]


def test_single_photos_of_concurrent_requests_share_forward_passes(
    service: Service, photos: list[Path], classified: list[dict[str, Any]]
) -> None:
    """More requests than BentoML keeps a connection for by default: renewing it must end none that is under way."""
    rounds = 6
    answered, batches = service.batches()

    with ThreadPoolExecutor(32) as pool:
        given = list(pool.map(lambda photo: service.post_photos([(photo.name, photo.read_bytes())]), photos * rounds))

    assert [status for status, _ in given] == [200] * len(given)
    for (_, [answer]), other in zip(given, classified * rounds, strict=True):
        assert_same_answer(answer, other)
    answered, batches = (now - before for now, before in zip(service.batches(), (answered, batches), strict=True))
    assert answered == len(given)
    assert answered / batches > 1.5


def test_a_request_that_is_spread_over_batches_gets_its_own_answers(
    service: Service, photos: list[Path], classified: list[dict[str, Any]]
) -> None:
    def send(start: int) -> None:
        turned = [*range(start, len(photos)), *range(start)]
        assert_same_answers(service, [photos[place] for place in turned], [classified[place] for place in turned])

    with ThreadPoolExecutor(8) as pool:  # 8 x 32 photos, of which a batch takes 64
        list(pool.map(send, range(8)))


def test_one_process_builds_the_same_bento_again(trained: Path, tmp_path: Path) -> None:
    tags = [build_bento(trained / "models", tmp_path / name, BackboneSettings()) for name in ("first", "second")]

    assert tags[0] == tags[1]
    assert tree_digest(tmp_path / "first") == tree_digest(tmp_path / "second")


def test_the_bento_names_all_that_serving_imports(service: Service, elsewhere: Path, photos: list[Path]) -> None:
    bento = elsewhere / "bento"
    assert service.post_photos([(photos[0].name, photos[0].read_bytes())])[0] == 200
    requirements = (bento / "env/python/requirements.txt").read_text().splitlines()
    named = {distribution(line.partition("==")[0]) for line in requirements}
    imported = {bento / "src" / name.replace(".", "/") for name in (elsewhere / "imported").read_text().split()}
    loaded = [module / "__init__.py" if module.is_dir() else module.with_suffix(".py") for module in imported]

    carriers = importlib.metadata.packages_distributions()
    unnamed = {
        module
        for file in loaded
        for module in third_party_imports(file)
        if not named & {distribution(name) for name in carriers[module]}
    }

    assert len(loaded) > 50
    assert unnamed == set()


def distribution(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def third_party_imports(file: Path) -> set[str]:
    """Top-level modules of others that are imported when the file is; not those that a function of it imports."""
    modules = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module.partition(".")[0])
    return modules - sys.stdlib_module_names - {"components"}


@pytest.mark.soak
def test_the_bento_serves_in_an_environment_of_its_own(
    trained: Path, photos: list[Path], classified: list[dict[str, Any]], tmp_path: Path
) -> None:
    bento = Path(shutil.copytree(trained / "models/bento", tmp_path / "bento"))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv/bin"
    torch = f"torch=={importlib.metadata.version('torch').partition('+')[0]}"
    subprocess.run([programs / "pip", "install", "--quiet", torch, "uv"], check=True, timeout=900)
    requirements = bento / "env/python/requirements.txt"
    install = [programs / "uv", "pip", "install", "--quiet", "--python", programs / "python", "-r", requirements]
    subprocess.run(install, check=True, timeout=900)

    with serving(bento, tmp_path, programs) as running:
        assert_same_answers(running, photos, classified)


def test_the_classes_are_told(service: Service) -> None:
    status, classes = service.get("/classes")

    assert status == 200
    assert [row["class"] for row in classes] == ["amber", "blue", "green", "red", "violet"]


def test_one_bad_photo_among_good_ones_spoils_none(service: Service, photos: list[Path]) -> None:
    good = photos[0].read_bytes()
    status, answers = service.post_photos([("a.jpg", good), ("b.jpg", good[:200]), ("c.jpg", good)])

    assert status == 200
    assert answers[1]["error"].keys() == {"code", "message", "remedy"}
    assert answers[0]["top"] == answers[2]["top"]


@pytest.mark.parametrize(
    ("photos_sent", "field", "status", "code"),
    [
        ([("a.jpg", b"")], "images", 422, "zero_byte"),
        ([("a.txt", b"hello there, no photo")], "images", 422, "not_an_image"),
        ([("a.jpg", b"x")], "photos", 400, "no_images"),
        ([("a.jpg", b"x")] * 65, "images", 400, "bad_request"),
    ],
)
def test_errors_have_our_form(
    service: Service, photos_sent: list[tuple[str, bytes]], field: str, status: int, code: str
) -> None:
    given, error = service.post_photos(photos_sent, field)

    assert (given, error["code"]) == (status, code)
    assert error.keys() == {"code", "message", "remedy"}


def test_photos_and_texts_become_unit_vectors_of_one_space(service: Service, photos: list[Path], trained: Path) -> None:
    backbone = load_backbone("embedded", models=trained / "models", device="cpu", precision="fp32")
    pixels = torch.stack([backbone.preprocess(load_image(path)) for path in photos[:2]])
    sent = [(path.name, path.read_bytes()) for path in photos[:2]]

    status, answers = service.post_photos(
        [sent[0], ("a.jpg", b"no photo"), sent[1]], path="/embed", texts=[("texts", "rust"), ("texts", "キズ")]
    )

    assert status == 200
    assert answers[1]["error"]["code"] == "not_an_image"
    assert [answer.get("path") or answer["text"] for answer in answers] == [
        sent[0][0],
        "a.jpg",
        sent[1][0],
        "rust",
        "キズ",
    ]
    vectors = torch.tensor([answers[place]["embedding"] for place in (0, 2, 3, 4)])
    expected = torch.cat([backbone.encode_images(pixels).embedding, backbone.encode_texts(["rust", "キズ"])])
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=0)
    assert {answers[place]["backbone"] for place in (0, 2, 3, 4)} == {backbone.identity.weights[:12]}


@pytest.mark.parametrize(
    ("path", "photos_sent", "texts", "status", "code"),
    [
        ("/embed", [], [("texts", " ")], 400, "no_input"),
        ("/embed", [], [("texts", "x")] * 65, 400, "bad_request"),
        ("/embed", [], [("texts", "x" * 2001)], 422, "text_too_long"),
        ("/embed", [("a.jpg", b"no photo")], [], 422, "not_an_image"),
        ("/search", [], [("text", "rust"), ("top", "0")], 400, "bad_top"),
        ("/search", [("a.jpg", b"x")], [("text", "rust")], 400, "no_query"),
        ("/search", [("a.jpg", b"no photo")], [], 422, "not_an_image"),
        ("/search", [], [("text", "rust")], 404, "no_photos"),  # a Bento has the classifier, not the photos
    ],
)
def test_what_cannot_be_embedded_or_searched_is_told(
    service: Service,
    path: str,
    photos_sent: list[tuple[str, bytes]],
    texts: list[tuple[str, str]],
    status: int,
    code: str,
) -> None:
    given, error = service.post_photos(photos_sent, "images" if path == "/embed" else "image", path=path, texts=texts)

    assert (given, error["code"]) == (status, code)
    assert error.keys() == {"code", "message", "remedy"}


def test_what_is_not_there_has_our_form_too(service: Service) -> None:
    assert service.get("/nothing")[0] == 404
    assert service.get("/nothing")[1].keys() == {"code", "message", "remedy"}
    status, error = service.get("/classify")
    assert (status, error["code"]) == (405, "method_not_allowed")


@dataclasses.dataclass(frozen=True)
class Beginning:
    """A service that has just been started, and its first answer to a readiness probe."""

    service: Service
    process: subprocess.Popen[bytes]
    first: tuple[int, Any]
    seconds: float


@pytest.fixture(scope="module")
def strict_beginning(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beginning]:
    """A service with tight limits: of one request at a time, of seconds, and of the photos it was trained on."""
    folder = tmp_path_factory.mktemp("strict")
    bento = Path(shutil.copytree(trained / "models/bento", folder / "bento"))
    saved = bento / "src/models/bundle"
    shutil.rmtree(bento / "src/models/bank")  # it belongs to the bundle that is changed here
    dataclasses.replace(Bundle.load(saved), limits=Limits(max_bytes=100_000)).save(saved)
    (folder / "limits.yaml").write_text("""
services:
  shotline: {traffic: {timeout: 6, max_concurrency: 1}}
  classifier: {traffic: {timeout: 3}}
""")
    variables = {"BENTOML_CONFIG": str(folder / "limits.yaml")}
    with starting(bento, folder, Path(sys.executable).parent, variables) as (running, process):
        deadline = time.monotonic() + 120
        while True:
            begun = time.monotonic()
            try:
                first = running.get("/readyz")
                break
            except OSError:  # refused, not kept waiting, before it can answer
                assert time.monotonic() - begun < 2
                assert time.monotonic() < deadline, running.log()
                time.sleep(0.05)
        yield Beginning(running, process, first, time.monotonic() - begun)


@pytest.fixture(scope="module")
def strict(strict_beginning: Beginning) -> Service:
    """The same, once it answers."""
    running = strict_beginning.service
    deadline = time.monotonic() + 120
    while not _answers(running):
        assert strict_beginning.process.poll() is None, running.log()
        assert time.monotonic() < deadline, running.log()
        time.sleep(0.2)
    return running


def test_a_service_that_loads_says_so_at_once(strict_beginning: Beginning) -> None:
    status, error = strict_beginning.first
    assert strict_beginning.seconds < 2
    assert (status, error["code"]) == (503, "not_ready")
    assert strict_beginning.service.get("/livez")[0] == 200


def test_a_photo_beyond_the_limits_of_the_training_is_refused(strict: Service) -> None:
    status, error = strict.post_photos([("a.jpg", b"\xff\xd8\xff" + b"x" * 100_000)])

    assert (status, error["code"]) == (422, "oversized")
    assert "100,000 bytes" in error["message"]
    assert "ingest.max_bytes" in error["remedy"]


def test_overload_and_slow_requests_are_told_in_our_form(strict: Service, photos: list[Path]) -> None:
    photo = [("a.jpg", photos[0].read_bytes())]
    process = strict.classifier_process()
    process.suspend()
    try:
        with ThreadPoolExecutor(2) as pool:  # one takes the one place there is, until its time is over
            told = dict(pool.map(lambda _: strict.post_photos(photo), range(2)))
    finally:
        process.resume()
    assert {status: error["code"] for status, error in told.items()} == {
        429: "too_many_requests",
        504: "gateway_timeout",
    }
    assert all(error.keys() == {"code", "message", "remedy"} for error in told.values())
    assert strict.post_photos(photo)[0] == 200


def lines_once_quiet(running: Service) -> int:
    """Lines of the log once a second has brought none: the requests of earlier tests have had theirs."""
    lines = -1
    while lines != (lines := len(running.log().splitlines())):
        time.sleep(1)
    return lines


def test_slow_and_broken_uploads_take_no_place_and_leave_one_line_each(strict: Service, photos: list[Path]) -> None:
    head = b"POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 128000000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    before = lines_once_quiet(strict)
    with ExitStack() as stack:  # more than 512 MB are announced, and four times the places that there are
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", strict.port))) for _ in range(5)]
        for each in slow:
            each.sendall(head)
        assert strict.post_photos([("a.jpg", photos[0].read_bytes())])[0] == 200
        for each in slow[1:]:
            each.close()
        slow[0].settimeout(60)
        answer = http.client.HTTPResponse(slow[0])  # headers and body come in pieces of their own
        answer.begin()
        assert (answer.status, json.loads(answer.read())["code"]) == (408, "request_timeout")

    def told() -> list[int]:
        lines = [json.loads(line) for line in strict.log().splitlines()[before:] if line.startswith("{")]
        return sorted(line["status"] for line in lines if line["path"] == "/classify")

    deadline = time.monotonic() + 30
    while len(told()) < 6 and time.monotonic() < deadline:  # a line is written when its answer is on its way
        time.sleep(0.05)
    assert told() == [200, 408, *[499] * 4]
    assert "Traceback" not in "\n".join(strict.log().splitlines()[before:])


def test_a_classifier_that_hangs_or_dies_is_told_and_comes_back(strict: Service, photos: list[Path]) -> None:
    photo = [("a.jpg", photos[0].read_bytes())]
    process = strict.classifier_process()

    process.suspend()
    try:
        status, error = strict.post_photos(photo)
    finally:
        process.resume()
    assert (status, error["code"]) == (504, "gateway_timeout")
    assert error.keys() == {"code", "message", "remedy"}

    process.kill()
    process.wait(30)
    seen = {}
    deadline = time.monotonic() + 120
    while not _answers(strict):  # its keeper starts another
        status, error = strict.post_photos(photo)
        seen[status] = error
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert strict.post_photos(photo)[0] == 200
    for status, error in seen.items():
        assert status in (200, 503, 504)
        assert status == 200 or error.keys() == {"code", "message", "remedy"}


def test_a_service_ends_when_it_is_told_whatever_connections_say_nothing(
    strict_beginning: Beginning, strict: Service
) -> None:
    """The last test of it; a classifier killed by now may have left a traceback, the end leaves none."""
    before = len(strict.log())
    with socket.create_connection(("127.0.0.1", strict.port)):
        begun = time.monotonic()
        strict_beginning.process.send_signal(signal.SIGTERM)
        strict_beginning.process.wait(30)
        assert time.monotonic() - begun < 5
    assert "Traceback" not in strict.log()[before:]


@pytest.mark.soak
def test_a_thousand_hostile_inputs_and_ten_thousand_silent_connections_leave_the_service_as_it_was(
    service: Service, photos: list[Path], classified: list[dict[str, Any]]
) -> None:
    processes = [psutil.Process(service.process), *psutil.Process(service.process).children(recursive=True)]

    def held() -> int:
        return sum(each.memory_info().rss for each in processes)

    inputs = itertools.cycle(hostile_photos(photos[0].read_bytes()))
    bodies = itertools.cycle(hostile_bodies(photos[0].read_bytes()))
    for _ in range(200):  # what is kept once is kept then
        service.post_photos([("a.jpg", next(inputs))])
    for _ in range(3):  # enough for a look at whether they are like the learnt ones, which is taken in the background
        service.post_photos([("a.jpg", photos[0].read_bytes())] * 32)
        time.sleep(2)
    before = held()
    statuses = collections.Counter()
    for number in range(1000):
        if number % 2:
            statuses[service.post_photos([("a.jpg", next(inputs))])[0]] += 1
        else:
            kind, body = next(bodies)
            statuses[
                httpx.post(f"{service.base}/classify", content=body, headers={"content-type": kind}).status_code
            ] += 1
    for _ in range(20):
        with ExitStack() as stack:
            for _ in range(500):
                stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            assert_same_answers(service, photos[:1], classified[:1])

    assert set(statuses) <= {200, 400, 408, 413, 415, 422, 429, 503}
    assert held() < before * 1.05
    assert_same_answers(service, photos[:4], classified[:4])
    assert "Traceback" not in service.log()
