"""What Shotline does: plain Python, one package per room, no Prefect and no DVC.

Importing it switches off the telemetry of every package that Shotline is built on, before any of them is imported;
a value that the user has set stays.
"""

import os as _os

_TELEMETRY_OFF = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",  # Prefect's SDK
    "BENTOML_DO_NOT_TRACK": "true",  # "1" has no effect
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}

for _name, _value in _TELEMETRY_OFF.items():
    _os.environ.setdefault(_name, _value)
