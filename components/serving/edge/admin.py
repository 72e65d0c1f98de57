"""The routes that need the admin token: the workspace's photos and versions, changes of its classes, training."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.errors import RefusedByGateError, ShotlineError, UserInputError
from components.serving import changing, reviewing
from components.serving.edge.changes_process import ChangesProcess
from components.serving.edge.errors import RefusedError, error_response
from components.serving.edge.forms import RequestForm, posted_form
from components.serving.edge.guard import Guard, require_allowed
from components.serving.edge.limits import MOST_PHOTOS
from components.serving.edge.openapi import admin_paths
from components.serving.pictures import WorkspacePictures
from components.serving.place import Place
from components.workspace import Workspace

__all__ = ["OPEN_PATH", "PHOTO", "Admin", "is_admin_path"]

T = TypeVar("T")

_log = logging.getLogger("bentoml.shotline")

OPEN_PATH = "/open"
PHOTO = "shotline.photo"  # key in a request's scope: the photo at the end of its address
_ADMIN_PATHS = admin_paths()
_MOST_VERSIONS = 100
_MOST_OF_CLASS = 200
_OF_EACH_CLASS = 6
_MOST_REVIEWED = 200
_PHOTO = re.compile("[0-9a-f]{64}")
_USE = {
    "/add_class": "curl -H 'Authorization: Bearer TOKEN' -F name='the class' -F images=@a.jpg -F images=@b.jpg URL/add_class",
    "/remove_class": "curl -H 'Authorization: Bearer TOKEN' -F name='the class' URL/remove_class",
    "/rename_class": "curl -H 'Authorization: Bearer TOKEN' -F name=old -F new_name=new URL/rename_class",
    "/rollback": "curl -H 'Authorization: Bearer TOKEN' -F version=VERSION URL/rollback",
    "/review": "curl -H 'Authorization: Bearer TOKEN' -F photos=SHA256,SHA256 -F name='the class' URL/review",
    "/labels": "curl -H 'Authorization: Bearer TOKEN' -F photos=SHA256 -F name='the class' URL/labels",
    "/train": "curl -H 'Authorization: Bearer TOKEN' -F shots=0 URL/train",
}


def is_admin_path(path: str) -> bool:
    """Whether an address needs the admin token."""
    return path in _ADMIN_PATHS or any(path.startswith(each) for each in _ADMIN_PATHS if each.endswith("/"))


class Admin:
    """The routes of the workspace; see `components.serving.changing` for the answers to changes.

    Args:
        place: what is served.
        guard: exchanges the link's code for the token.
    """

    def __init__(self, place: Place, guard: Guard) -> None:
        self._place = place
        self._guard = guard
        self._changes = ChangesProcess()
        self._pictures: WorkspacePictures | None = None

    def routes(self) -> list[Route]:
        """The routes; each answers only requests that have passed `Guarded`, except the exchange of the link's code."""
        posts = {
            "/add_class": self.add_class,
            "/remove_class": self.remove_class,
            "/rename_class": self.rename_class,
            "/rollback": self.roll_back,
            "/train": self.train,
            "/review": self.say,
            "/labels": self.say_of_label,
            "/warm": self.warm,
        }
        return [
            *(Route(path, self._told(answer), methods=["POST"]) for path, answer in posts.items()),
            Route("/train", self._told(self.training)),
            Route("/review", self._told(self.review)),
            Route("/labels", self._told(self.labels)),
            Route("/versions", self._told(self.versions)),
            Route("/photos", self._told(self.photos)),
            Route("/photos/{photo}", self._told(self.photo)),
            Route(OPEN_PATH, self.open, methods=["POST"]),
        ]

    def about(self) -> dict[str, Any]:
        """The facts that the page needs first: `workspace`, `admin` (whether there is a token), `trained`, `version`
        (live).
        """
        live = self._place.live_name()
        there = {"workspace": self._place.workspace is not None, "admin": self._guard.has_token}
        return {**there, "trained": live is not None, "version": live}

    def classes_to_train(self) -> list[dict[str, Any]] | None:
        """The classes of a workspace in which nothing was trained yet; None in any other place."""
        if self._place.workspace is None or self._place.live_name() is not None:
            return None
        from components.live.first_photos import FirstPhotos

        return FirstPhotos(self._workspace()).rows()

    def close(self) -> None:
        """End the processes that it has started."""
        self._changes.close()

    async def add_class(self, request: Request) -> Response:
        """Add a class, or photos to one: `name`, `images`, `force`."""
        form = await posted_form(request)
        name = _value(form, "name", "/add_class", "the name of the class")
        if not form.photos:
            raise _missing("/add_class", "no_images", "the request has no photo in the field images")
        if len(form.photos) > MOST_PHOTOS:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST,
                "bad_request",
                f"the request has {len(form.photos)} photos; at most {MOST_PHOTOS} are read",
                "send the rest in requests of their own: a class may be given more photos",
            )
        force = form.values.get("force", "").strip().lower()
        if force not in ("", "true", "false"):
            raise _missing("/add_class", "bad_force", f"force is {force[:20]!r}, neither true nor false")
        return JSONResponse(await self._changed(changing.add_class, name, form.photos, force == "true"))

    async def remove_class(self, request: Request) -> Response:
        """Remove an added class: `name`."""
        name = _value(await posted_form(request), "name", "/remove_class", "the name of the class")
        return JSONResponse(await self._changed(changing.remove_class, name))

    async def rename_class(self, request: Request) -> Response:
        """Rename an added class: `name`, `new_name`."""
        form = await posted_form(request)
        name = _value(form, "name", "/rename_class", "the name of the class")
        new_name = _value(form, "new_name", "/rename_class", "what it is to be called")
        return JSONResponse(await self._changed(changing.rename_class, name, new_name))

    async def roll_back(self, request: Request) -> Response:
        """Make an earlier version live again: `version`; without it the version before."""
        version = (await posted_form(request)).values.get("version")
        return JSONResponse(await self._changed(changing.roll_back, version))

    async def review(self, request: Request) -> Response:
        """The photos of the pool that are most worth a label: `top`, default 20."""
        return JSONResponse(await self._changed(reviewing.review, _top(request, "/review")))

    async def labels(self, request: Request) -> Response:
        """The labels that are probably wrong: `top`, default 20."""
        return JSONResponse(await self._changed(reviewing.labels, _top(request, "/labels")))

    async def say_of_label(self, request: Request) -> Response:
        """A word on the label of a photo, `photos`: its class in `name`, or `word` (drop, right, undo)."""
        self._workspace()
        form = await posted_form(request)
        photo = _value(form, "photos", "/labels", "a photo's SHA-256")
        if not _PHOTO.fullmatch(photo):
            raise _missing("/labels", "bad_photos", "photos is no SHA-256; a label is put right photo by photo")
        name, word = (form.values.get(key, "").strip() for key in ("name", "word"))
        if bool(name) == bool(word) or word not in ("", "drop", "right", "undo"):
            what = "the request must have a class in name, or drop, right or undo in word"
            raise _missing("/labels", "no_word", what)
        return JSONResponse(await self._changed(reviewing.say_of_label, photo, name, word))

    async def say(self, request: Request) -> Response:
        """A word on photos of the pool: `photos`, with `name` or `word` (none, bad), `force`; or `undo` of its
        result.
        """
        self._workspace()
        form = await posted_form(request)
        photos = [photo for photo in _value(form, "photos", "/review", "SHA-256 of photos").split(",") if photo]
        if not photos or not all(_PHOTO.fullmatch(photo) for photo in photos) or len(photos) > _MOST_REVIEWED:
            what = f"photos is no list of 1 to {_MOST_REVIEWED} SHA-256, with commas between"
            raise _missing("/review", "bad_photos", what)
        name, word, force, undo = (form.values.get(key, "").strip() for key in ("name", "word", "force", "undo"))
        if undo:
            said, before, after = (form.values.get(key, "").strip() for key in ("said", "before", "after"))
            return JSONResponse(await self._changed(reviewing.take_word_back, said, photos, before, after))
        if bool(name) == bool(word):
            raise _missing("/review", "no_word", "the request must have a class in name, or none or bad in word")
        if force.lower() not in ("", "true", "false"):
            raise _missing("/review", "bad_force", f"force is {force[:20]!r}, neither true nor false")
        return JSONResponse(await self._changed(reviewing.say_word, photos, name, word, force.lower() == "true"))

    async def train(self, request: Request) -> Response:
        """Begin a training: `shots`, `seed`."""
        from components.serving.training import start_training

        form = await posted_form(request)
        numbers = {}
        for name in ("shots", "seed"):
            text = form.values.get(name, "").strip()
            if text and not (text.isascii() and text.isdigit() and len(text) < 10):
                raise _missing("/train", f"bad_{name}", f"{name} is {text[:20]!r}, no whole number from 0")
            numbers[name] = int(text) if text else None
        workspace = self._workspace()
        try:
            state = await run_in_threadpool(start_training, workspace, **numbers)
        except UserInputError as error:
            raise _refused(error, HTTPStatus.CONFLICT) from error
        return JSONResponse(state, HTTPStatus.ACCEPTED)

    async def training(self, request: Request) -> Response:
        """Progress of the training."""
        from components.live.training import training_state

        return JSONResponse(await run_in_threadpool(training_state, self._workspace()))

    async def versions(self, request: Request) -> Response:
        """The versions, oldest first; see `version_rows`."""
        from components.live import Versions
        from components.live.listing import version_rows

        versions = Versions(self._workspace().live)
        return JSONResponse(await run_in_threadpool(version_rows, versions, _MOST_VERSIONS))

    async def photos(self, request: Request) -> Response:
        """SHA-256 of photos: the first ones of each class, or many of one class."""
        pictures = self._looked_at()
        name = request.query_params.get("class")
        if name is None:
            return JSONResponse(await run_in_threadpool(pictures.firsts, _OF_EACH_CLASS))
        return JSONResponse({name: await run_in_threadpool(pictures.of_class, name, _MOST_OF_CLASS)})

    async def photo(self, request: Request) -> Response:
        """A thumbnail."""
        try:
            content = await run_in_threadpool(self._looked_at().thumbnail, request.scope.get(PHOTO, ""))
        except UserInputError as error:
            raise _refused(error, HTTPStatus.NOT_FOUND) from error
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    async def open(self, request: Request) -> Response:
        """The token for the code of the link that `shotline serve` printed."""
        code = _value(await posted_form(request), "code", OPEN_PATH, "the link's code")
        return JSONResponse({"token": await self._guard.exchange(request.scope, code)})

    async def warm(self, request: Request) -> Response:
        """Prepare for the first change, which would otherwise load for seconds."""
        await self._changed(changing.warm)
        return JSONResponse({"warm": True})

    async def _changed(self, change: Callable[..., T], *arguments: Any) -> T:
        return await self._changes.run(change, self._workspace().root, *arguments)

    def _looked_at(self) -> WorkspacePictures:
        if self._pictures is None:
            self._pictures = WorkspacePictures(self._workspace())
        return self._pictures

    def _workspace(self) -> Workspace:
        if self._place.workspace is None:
            raise RefusedError(
                HTTPStatus.CONFLICT,
                "no_workspace",
                "this service has no workspace: a Bento carries a classifier, not what it was made from",
                "start it with SHOTLINE_WORKSPACE=DIR, a workspace that it may write, or change classes in the workspace "
                "and build the Bento again: shotline train",
            )
        return Workspace(self._place.workspace)

    def _told(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """A route that needs the token, with its errors in our form."""

        async def answered(request: Request) -> Response:
            require_allowed(request.scope)
            try:
                return await answer(request)
            except RefusedByGateError as error:
                remedy = error.remedy.replace("with --force", "with the field force=true")
                return error_response(HTTPStatus.CONFLICT, "refused_by_gate", _message(error), remedy)
            except UserInputError as error:
                return _refused(error, HTTPStatus.UNPROCESSABLE_ENTITY).response
            except ShotlineError as error:
                _log.error("%s", error)
                return _refused(error, HTTPStatus.INTERNAL_SERVER_ERROR).response

        return answered


def _top(request: Request, path: str) -> int:
    top = request.query_params.get("top", "20")
    if not (top.isascii() and top.isdigit() and len(top) < 10 and 1 <= int(top) <= _MOST_REVIEWED):
        raise _missing(path, "bad_top", f"top is {top[:20]!r}, no number from 1 to {_MOST_REVIEWED}")
    return int(top)


def _value(form: RequestForm, name: str, path: str, what: str) -> str:
    value = form.values.get(name, "").strip()
    if not value:
        raise _missing(path, f"no_{name}", f"the request has no field {name}: {what}")
    return value


def _missing(path: str, code: str, message: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, code, message, _USE.get(path, "see GET / for how to use it"))


def _refused(error: ShotlineError, status: HTTPStatus) -> RefusedError:
    code = {HTTPStatus.CONFLICT: "not_now", HTTPStatus.NOT_FOUND: "not_found"}.get(status, "not_usable")
    return RefusedError(status, code, _message(error), error.remedy)


def _message(error: ShotlineError) -> str:
    return f"{error.on}: {error.what}" if error.on and len(error.on) <= 200 else error.what
