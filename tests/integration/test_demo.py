"""The demo itself, small: a real crash, keepers in their own processes, everything reconciled."""

import json
import subprocess
import sys

from ballast.chain.artifacts import checkout_root

SUMMARY_FIELDS = {
    "crisis",
    "accounts",
    "liquidations",
    "bad_debt",
    "insurance_used",
    "socialised",
    "reconciled",
    "breach_to_bid_blocks_p95",
    "margin_saved_vs_isolated",
    "seeds",
    "accounts_with_options",
    "expiries_settled",
    "positions_settled",
}


def test_demo__black_thursday_by_the_hour__liquidates_settles_and_reconciles(tmp_path):
    command = [
        sys.executable,
        "-m",
        "scripts.demo",
        "--crisis",
        "2020-03-12",
        "--accounts",
        "24",
        "--speed",
        "10",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=checkout_root(), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary.keys() >= SUMMARY_FIELDS
    assert summary["reconciled"] is True
    assert summary["accounts"] == 24
    assert summary["accounts_with_options"] > 3
    assert summary["expiries_settled"].keys() == {"BTC", "ETH"}
    assert summary["positions_settled"] > 0
    assert summary["liquidations"] > 0
    assert sum(summary["keeper_starts"].values()) == summary["liquidations"]
    assert 0 < summary["margin_saved_vs_isolated"] < 1
    assert (tmp_path / "replay.png").stat().st_size > 10_000
    assert (tmp_path / "replay.svg").stat().st_size > 10_000


def test_demo__unknown_crisis__is_wrong_usage():
    command = [sys.executable, "-m", "scripts.demo", "--crisis", "1929-10-24"]
    done = subprocess.run(command, cwd=checkout_root(), capture_output=True, text=True)

    assert done.returncode == 2
    assert "2021-05-19" in done.stderr
