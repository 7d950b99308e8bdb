"""How a keeper is told to end."""

import subprocess
import sys

PROGRAM = """
import os, signal, sys
from ballast.keeper.runner import stop_on_signals

def interrupt_at(place):
    lines = iter(range(1_000))
    def trace(frame, event, _):
        if event == "line" and next(lines) == place:
            os.kill(os.getpid(), signal.SIGTERM)
        return trace
    return trace

for place in range(40):
    stop = stop_on_signals()
    sys.settrace(interrupt_at(place))
    stop.wait(0.0001)
    stop.is_set()
    sys.settrace(None)
    assert stop.is_set() or place > 2, place
"""


def test_stop__signal_comes_at_any_line_of_a_wait__never_waits_for_itself():
    done = subprocess.run([sys.executable, "-c", PROGRAM], timeout=30, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
