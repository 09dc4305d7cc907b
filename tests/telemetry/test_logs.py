"""The operator's log goes to standard error, one object a line."""

import json

import pytest
import structlog

from guard.telemetry import logs


def test_a_message_is_one_json_object_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().info("gateway.ready", listen="127.0.0.1:8080")
    structlog.get_logger().debug("not this")
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert json.loads(line)["event"] == "gateway.ready"
    structlog.reset_defaults()
