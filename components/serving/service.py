"""The service over HTTP: an edge that handles requests, and a classifier that batches, each in a process of its own.

`bentoml serve components.serving.service:Shotline` runs both: of the workspace that `SHOTLINE_WORKSPACE` names, or of the
Bento that this code lies in. `SHOTLINE_CORS` and `SHOTLINE_ROOT_PATH` say who may use it from a browser, and under which
path, `SHOTLINE_ADMIN_TOKEN` or `SHOTLINE_ADMIN_TOKEN_FILE` who may change classes,
`SHOTLINE_KEEP` that photos go into the pool; see `components.serving.edge`.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml

from components.serving.batched import Classifier
from components.serving.edge import Admin, EdgeAround, Guard, edge_application
from components.serving.edge.around import known_paths
from components.serving.edge.probes import Readiness
from components.serving.ending import EndsInTime
from components.serving.kept import keeper_said
from components.serving.place import Place
from components.serving.timeout import take_its_place

__all__ = ["Classifier", "Shotline"]

_LOOKS_EVERY_MS = 1_000.0

take_its_place()


# A longer timeout than the classifier's: the one that knows what was slow answers, and a change of classes may have to
# encode a vocabulary first. An upload's time does not count.
@bentoml.service(
    name="shotline",
    workers=int(os.environ.get("SHOTLINE_WORKERS", "1")),
    traffic={"timeout": 600, "max_concurrency": 256},
    logging={"access": {"enabled": False}},  # ours is `components.serving.edge.request_log`
)
class Shotline:
    """The edge: routes, forms, limits and errors."""

    classifier = bentoml.depends(Classifier)

    @bentoml.on_deployment  # type: ignore[untyped-decorator]  # in the process that keeps the others, before it opens the port
    @staticmethod
    def open_the_port_when_there_is_an_answer() -> None:
        """Have the edge listen only when it can answer, so that clients are refused instead of waiting while it
        starts.
        """
        from circus.sockets import CircusSocket  # BentoML's keeper of processes

        listen = CircusSocket.listen

        def listen_to_the_classifier_alone(self: CircusSocket, *arguments: int) -> None:
            if self.is_unix:
                listen(self, *arguments)

        CircusSocket.listen = listen_to_the_classifier_alone

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def notice_at_once_that_a_process_has_ended() -> None:
        """Have BentoML's process keeper look more often than every ten seconds, to restart a dead classifier sooner."""
        from circus.controller import Controller

        start = Controller.start

        def start_looking(self: Controller) -> None:
            self.check_delay = _LOOKS_EVERY_MS
            start(self)

        Controller.start = start_looking


def _client() -> Any:
    """The client of the classifier's process; it exists once BentoML has made the service."""
    return bentoml.get_current_service().classifier.to_async


async def _ready() -> bool:
    return bool(await _client().is_ready(5))


_readiness = Readiness(_ready)  # one per process: the layers below need it before there is a service

_guard = Guard.said()

Shotline.add_asgi_middleware(EdgeAround, readiness=_readiness, guard=_guard, paths=known_paths())  # type: ignore[attr-defined]
Shotline.add_asgi_middleware(EndsInTime)  # type: ignore[attr-defined]
# BentoML's own page at / loads scripts from elsewhere; what is not ours falls through to its health and metrics routes.
_place = Place.said()
Shotline.mount_asgi_app(  # type: ignore[attr-defined]
    edge_application(_client, _readiness, Admin(_place, _guard), keeper_said(_place), _place.most_photo_bytes), path="/"
)
