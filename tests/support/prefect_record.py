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
