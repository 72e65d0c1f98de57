"""A client of the service in Python: its questions and changes, typed, with its errors raised as exceptions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from components.errors import RefusedByGateError, ShotlineError, UserInputError

__all__ = ["Client", "ServedAnswer", "ServiceError"]

SentPhoto = str | Path | bytes
"""A photo as a client sends it: a file, or a file's bytes."""

_PIECE_BYTES = 1_000_000


class ServiceError(ShotlineError):
    """The service refused, or could not answer; catch it to read its code.

    Attributes:
        code: one word, such as `no_images`; `away` where there was no answer.
        status: of HTTP; 0 if there was no answer.
    """

    def __init__(self, what: str, *, on: str, remedy: str, code: str = "", status: int = 0) -> None:
        super().__init__(what, on=on, remedy=remedy)
        self.code = code
        self.status = status

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.what, self.on, self.remedy, self.code, self.status))


@dataclass(frozen=True)
class ServedAnswer:
    """The service's answer to a photo.

    Attributes:
        path: the file's name; None for bytes.
        top: class names and their calibrated probabilities (0 to 1), best first; empty if the photo cannot be read.
        likely: names of the classes among which the right one is for nine in ten photos, most probable first.
        abstained: whether the photo is probably of none of the classes.
        bank: the version of the classifier that made this answer.
        error: why the photo has no answer; None if it has one.
        flaw: what is wrong with the photo's file although it has an answer; None if nothing is.
    """

    path: str | None
    top: tuple[tuple[str, float], ...] = ()
    likely: tuple[str, ...] = ()
    abstained: bool = False
    bank: str = ""
    error: ServiceError | None = None
    flaw: str | None = None


class Client:
    """A running service; use it in a `with` block, or `close` it.

    Args:
        url: its address, such as `http://localhost:3000`.
        token: the admin token, for changes, versions and photos.
        timeout_s: how long an answer may take.
        retries: how often a request that is refused for the moment (429, 503) is repeated, after the service's pause.
    """

    def __init__(self, url: str, token: str | None = None, *, timeout_s: float = 120.0, retries: int = 3) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url.rstrip("/") + "/", headers=headers, timeout=timeout_s)
        self._url = url
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def classify(self, photos: SentPhoto | Sequence[SentPhoto]) -> list[ServedAnswer]:
        """Classify photos, at most 64 at once; a photo that cannot be read has an `error` instead of an answer.

        Raises:
            ServiceError: the service refused or could not answer.
        """
        sent = _files(photos)
        try:
            answers = self._post("classify", files=sent)
        except UserInputError as error:
            cause = error.__cause__
            if len(sent) != 1 or not isinstance(cause, ServiceError) or cause.status != 422:
                raise
            return [ServedAnswer(sent[0][1][0], error=cause)]
        return [_answered(answer) for answer in answers]

    def classify_zip(self, archive: str | Path | bytes) -> Iterator[ServedAnswer]:
        """Say what is on the photos of a zip archive, at most 10,000, each as soon as the service has answered it.

        Photos come in the order of their paths in the archive, which `path` gives; one that cannot be read has an `error`,
        and the rest go on.

        Args:
            archive: its file, which is sent piece by piece, or its bytes.

        Raises:
            UserInputError: it cannot be read, is no archive, or holds no photo or too many.
            ServiceError: the service refused or could not answer; also between two photos, where it goes away.
        """
        sent = _archive(archive)
        response = self._request("POST", "classify", sent, stream=True)

        def answers() -> Iterator[ServedAnswer]:
            try:
                for line in response.iter_lines():
                    yield _answered(json.loads(line))
            except httpx.TransportError as error:
                raise _away(error, self._url) from error
            finally:
                response.close()

        return answers()

    def embed(self, photos: SentPhoto | Sequence[SentPhoto] = (), *, texts: Sequence[str] = ()) -> list[list[float]]:
        """Unit vectors of photos, then of texts.

        Raises:
            ServiceError: the service refused, or one of several photos cannot be read.
        """
        given = [("texts", (None, text.encode(), "text/plain; charset=utf-8")) for text in texts]
        vectors = []
        for answer in self._post("embed", files=[*_files(photos), *given]):
            if "error" in answer:
                raise _error(answer["error"], 422, str(answer.get("path")))
            vectors.append(answer["embedding"])
        return vectors

    def search(self, query: SentPhoto, top: int = 20) -> list[dict[str, Any]]:
        """The workspace's photos most similar to a text (str) or a photo (Path or bytes): `path`, `class`,
        `similarity`.
        """
        if isinstance(query, str):
            return list(self._post("search", json={"text": query, "top": top}))
        return list(self._post("search", files=_files(query), data={"top": str(top)}))

    def classes(self) -> list[dict[str, Any]]:
        """The classes that an answer can have: `class`, `kind`, `since`, `photos`."""
        return list(self._get("classes"))

    def versions(self) -> list[dict[str, Any]]:
        """The versions that were live, oldest first; needs the token."""
        return list(self._get("versions"))

    def add_class(self, name: str, photos: SentPhoto | Sequence[SentPhoto], *, force: bool = False) -> dict[str, Any]:
        """Add a class, or photos to one; `version`, `before`, `told` and more. Needs the token.

        Raises:
            RefusedByGateError: it would do harm; nothing is changed.
            UserInputError: the name or the photos cannot be used.
            ServiceError: the service refused or could not answer.
        """
        return dict(self._post("add_class", files=_files(photos), data={"name": name, "force": str(force).lower()}))

    def remove_class(self, name: str) -> dict[str, Any]:
        """Remove an added class; `version` and `before`. Needs the token; raises as `add_class`."""
        return dict(self._post("remove_class", json={"name": name}))

    def rename_class(self, name: str, new_name: str) -> dict[str, Any]:
        """Rename an added class; `version` and `before`. Needs the token; raises as `add_class`."""
        return dict(self._post("rename_class", json={"name": name, "new_name": new_name}))

    def rollback(self, version: str | None = None) -> dict[str, Any]:
        """Make an earlier version live again, the one before if None; `version` and `before`. Needs the token."""
        return dict(self._post("rollback", json={} if version is None else {"version": version}))

    def train(self, *, shots: int | None = None, seed: int | None = None) -> dict[str, Any]:
        """Begin a training on the workspace's `data/raw`; `training` gives its progress. Needs the token."""
        given = {name: value for name, value in (("shots", shots), ("seed", seed)) if value is not None}
        return dict(self._post("train", json=given))

    def training(self) -> dict[str, Any]:
        """Progress of the training: `state`, `stages`, `notes`, `error`. Needs the token."""
        return dict(self._get("train"))

    def ready(self) -> bool:
        """Whether it can answer now."""
        try:
            return self._http.get("readyz").is_success
        except httpx.TransportError:
            return False

    def _get(self, path: str) -> Any:
        return self._ask("GET", path, {})

    def _post(self, path: str, **given: Any) -> Any:
        return self._ask("POST", path, given)

    def _ask(self, method: str, path: str, given: dict[str, Any]) -> Any:
        return self._request(method, path, lambda: given).json()

    def _request(
        self, method: str, path: str, given: Callable[[], dict[str, Any]], *, stream: bool = False
    ) -> httpx.Response:
        """The answer to a request, which is made anew each time that it is sent; raises what was refused."""
        for attempt in range(self._retries + 1):
            try:
                response = self._http.send(self._http.build_request(method, path, **given()), stream=stream)
                if not response.is_success:
                    response.read()
            except httpx.TransportError as error:
                raise _away(error, self._url) from error
            if response.status_code not in (429, 503) or attempt == self._retries:
                break
            time.sleep(min(float(response.headers.get("retry-after", 1)), 60.0))
        if response.is_success:
            return response
        try:
            told = response.json()
            refused = _error(told, response.status_code, path)
        except (ValueError, KeyError, TypeError):  # an answer of something between client and service
            raise ServiceError(
                f"the answer has the status {response.status_code}",
                on=str(response.url),
                remedy="see whether the address is that of the service",
                status=response.status_code,
            ) from None
        raise _as_ours(refused) from refused


def _away(error: httpx.TransportError, url: str) -> ServiceError:
    return ServiceError(
        f"there is no answer: {error or type(error).__name__}",
        on=url,
        remedy="see whether the service runs there",
        code="away",
    )


def _as_ours(refused: ServiceError) -> ShotlineError:
    """The exception class that the same mistake raises without a service."""
    if refused.code == "refused_by_gate":
        return RefusedByGateError(refused.what, on=refused.on, remedy=refused.remedy)
    if refused.status in (400, 422):
        return UserInputError(refused.what, on=refused.on, remedy=refused.remedy)
    return refused


def _error(told: dict[str, str], status: int, on: str) -> ServiceError:
    return ServiceError(told["message"], on=on, remedy=told["remedy"], code=told["code"], status=status)


def _answered(answer: dict[str, Any]) -> ServedAnswer:
    if "error" in answer:
        return ServedAnswer(answer["path"], error=_error(answer["error"], 422, answer["path"] or "the photo"))
    top = tuple((each["class"], each["probability"]) for each in answer["top"])
    return ServedAnswer(
        answer["path"], top, tuple(answer["likely"]), answer["abstained"], answer["bank"], flaw=answer.get("flaw")
    )


def _archive(archive: str | Path | bytes) -> Callable[[], dict[str, Any]]:
    """What is sent of a zip archive, made anew at each call."""
    headers = {"content-type": "application/zip"}
    if isinstance(archive, bytes):
        return lambda: {"content": archive, "headers": headers}
    path = Path(archive)
    try:
        with path.open("rb"):
            headers["content-length"] = str(path.stat().st_size)
    except OSError as error:
        raise UserInputError(
            f"it cannot be read: {error.strerror}", on=str(path), remedy="give the path of a zip archive"
        ) from error
    return lambda: {"content": _pieces(path), "headers": headers}


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _files(photos: SentPhoto | Iterable[SentPhoto]) -> list[tuple[str, tuple[str | None, bytes, str]]]:
    given = [photos] if isinstance(photos, str | Path | bytes) else list(photos)
    files: list[tuple[str, tuple[str | None, bytes, str]]] = []
    for photo in given:
        if isinstance(photo, bytes):
            files.append(("images", (None, photo, "application/octet-stream")))
            continue
        path = Path(photo)
        try:
            files.append(("images", (path.name, path.read_bytes(), "application/octet-stream")))
        except OSError as error:
            raise UserInputError(
                f"it cannot be read: {error.strerror}", on=str(path), remedy="give the path of a photo"
            ) from error
    return files


def _rebuild(what: str, on: str, remedy: str, code: str, status: int) -> ServiceError:
    return ServiceError(what, on=on, remedy=remedy, code=code, status=status)
