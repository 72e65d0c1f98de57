"""The process of changes answers, tells of its death, begins anew, and ends with the edge."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import psutil
import pytest

from components.errors import UserInputError
from components.serving.edge.changes_process import ChangesProcess
from components.serving.edge.errors import RefusedError
from components.workspace import Workspace


def test_it_runs_changes_outlives_none_of_its_deaths_and_ends_when_it_is_told(tmp_path: Path) -> None:
    async def story() -> tuple[int, int, int]:
        process = ChangesProcess()
        try:
            first = await process.run(os.getpid)
            with pytest.raises(UserInputError, match="no workspace"):  # errors cross over as they are
                await process.run(Workspace.find, tmp_path)
            with pytest.raises(RefusedError):
                await process.run(os._exit, 1)
            second = await process.run(os.getpid)
            waiting = [asyncio.create_task(process.run(time.sleep, 0.2)) for _ in range(9)]
            refused = [each for each in await asyncio.gather(*waiting, return_exceptions=True) if each is not None]
        finally:
            process.close()
        return first, second, len(refused)

    first, second, refused = asyncio.run(story())

    assert os.getpid() not in (first, second)
    assert first != second
    assert refused == 1  # the ninth
    assert not psutil.pid_exists(second)
