"""Builds the whole vocabulary in the background; there is only one builder at a time.

A builder is a process of low priority that outlives the command that started it. It holds a file lock while it lives,
which the system frees when it ends for any reason. If a builder was killed, the next use starts anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from components.backbone import Backbone, BackboneSettings, load_backbone
from components.files import write_json
from components.liteembed.vocabulary import Vocabulary, build_vocabulary, read_vocabulary, vocabulary_path

__all__ = ["WholeVocabulary"]

_NICENESS = 10
_LOOK_S = 0.2  # pause between two looks at another builder's progress


@dataclass(frozen=True)
class WholeVocabulary:
    """The full vocabulary of a backbone, built or being built.

    Attributes:
        backbone: that encodes it.
        folder: of the cache.
        template: prompt with `{}` where the word goes.
    """

    backbone: Backbone
    folder: Path
    template: str

    def read(self) -> Vocabulary | None:
        """Where the builder writes its progress."""
        return read_vocabulary(self.backbone.identity, self.folder, template=self.template)

    def build(self, progress: Callable[[int, int], None] | None = None) -> Vocabulary:
        """Build it in this process, or wait for the process that builds it; see `build_vocabulary`.

        Args:
            progress: told how many words of how many are encoded, also while another process encodes them.
        """
        while True:
            if (turn := self._take_turn()) is not None:
                with turn:
                    return self.build_in_turn(progress)
            if progress is not None and (done := self.progress()) is not None:
                progress(*done)
            time.sleep(_LOOK_S)

    def build_in_turn(self, progress: Callable[[int, int], None] | None = None) -> Vocabulary:
        """Build it in this process, which holds the turn, and write the progress for the others."""

        def told(done: int, of: int) -> None:
            write_json(self._beside("json"), {"done": done, "of": of})
            if progress is not None:
                progress(done, of)

        try:
            return build_vocabulary(self.backbone, self.folder, template=self.template, progress=told)
        finally:
            self._beside("json").unlink(missing_ok=True)

    def progress(self) -> tuple[int, int] | None:
        """How many words of how many a builder has encoded; None if nobody builds."""
        if (turn := self._take_turn()) is not None:
            turn.close()
            return None
        try:
            content = json.loads(self._beside("json").read_text(encoding="utf-8"))
            return int(content["done"]), int(content["of"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, len(self.backbone.words())  # it has only just begun

    def begin(self, models: Path, settings: BackboneSettings) -> bool:
        """Start a builder if the vocabulary is not there, unless one is at work or there are no words; returns whether.

        Args:
            models: the workspace's `models/`, where the builder finds the backbone.
            settings: device and precision of this one.
        """
        if not self.backbone.words() or (turn := self._take_turn()) is None:
            return False
        order = {
            "models": str(models.resolve()),
            "folder": str(self.folder.resolve()),
            "template": self.template,
            "settings": asdict(settings) | {"name": self.backbone.identity.name},
        }
        source = Path(__file__).resolve().parents[2]
        with turn, self._beside("log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import main; main()", json.dumps(order)],
                cwd=source,  # where `components` is
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(turn.fileno(),),  # the builder inherits the lock, which ends with it
                start_new_session=True,  # an interrupt of the command that started it must not reach it
            )
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        # A long-lived parent must not leave a zombie; if the parent ends first, the system takes over.
        threading.Thread(target=process.wait, daemon=True).start()
        return True

    def _take_turn(self) -> IO[bytes] | None:
        """An open file whose lock is the turn to build until it is closed; None if another process has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        turn = self._beside("lock").open("ab")
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            turn.close()
            return None
        return turn

    def _beside(self, kind: str) -> Path:
        path = vocabulary_path(self.backbone.identity, self.folder, "full", self.template)
        return path.with_name(f".{path.stem}.{kind}")


def main() -> None:
    """The builder's process; its parent took the turn for it."""
    order = json.loads(sys.argv[1])
    settings = BackboneSettings(**order["settings"])
    backbone = load_backbone(
        settings.name, models=Path(order["models"]), device=settings.device, precision=settings.precision
    )
    WholeVocabulary(backbone, Path(order["folder"]), order["template"]).build_in_turn()
