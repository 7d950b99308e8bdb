"""What long-running commands write to their logs."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from ballast.cli.keeper import configure_logging

configure_logging(as_json={as_json})
try:
    raise ValueError("the disk is full")
except ValueError:
    structlog.get_logger().exception("settlement ended")
"""


@pytest.mark.parametrize("as_json", [True, False])
def test_exception__logged__with_its_traceback(as_json):
    program = PROGRAM.format(as_json=as_json)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    if as_json:
        line = json.loads(done.stderr)
        assert (line["event"], line["level"]) == ("settlement ended", "error")
        assert line["exception"].startswith("Traceback") and "the disk is full" in line["exception"]
    else:
        assert "Traceback" in done.stderr and "the disk is full" in done.stderr
