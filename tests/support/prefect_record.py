"""What a Prefect server has on record."""

from __future__ import annotations

import json
import urllib.request
from typing import Any


def ask(api: str, path: str, **wanted: Any) -> Any:
    request = urllib.request.Request(
        f"{api}/{path}", json.dumps(wanted).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def runs(api: str, flow: str) -> list[dict[str, Any]]:
    """The runs of a flow, oldest first."""
    found: list[dict[str, Any]] = ask(
        api, "flow_runs/filter", sort="EXPECTED_START_TIME_ASC", flows={"name": {"any_": [flow]}}
    )
    return found


def states(api: str, flow_run: str) -> dict[str, str]:
    runs = ask(api, "task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
    return {run["name"]: run["state_name"] for run in runs}


def state_of(api: str, flow_run: str) -> str:
    (found,) = ask(api, "flow_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
    return str(found["state_type"])
