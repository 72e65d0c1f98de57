"""What the classifier's process writes into its log."""

import logging

import pytest
from bentoml.exceptions import ServiceUnavailable

import components.serving.batched  # noqa: F401  it says what BentoML's log leaves out


def test_too_much_to_do_is_one_line_of_the_log_and_a_fault_keeps_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("bentoml._internal.server.http_app")  # where BentoML logs what a request has raised
    for error in (ServiceUnavailable("process is overloaded"), ValueError("a fault")):
        try:
            raise error
        except (ServiceUnavailable, ValueError):
            log.error("Exception on %s [%s]", "/classify", "POST", exc_info=True)

    overloaded, fault = caplog.records
    assert overloaded.getMessage() == "Exception on /classify [POST]: process is overloaded"
    assert overloaded.exc_info is None
    assert fault.exc_info
