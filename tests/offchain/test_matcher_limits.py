"""How often a client may ask, whose signature it is, and what works without the extra's packages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from ballast.matcher.limits import KEPT_BUCKETS, RateLimit
from ballast.matcher.signatures import MatcherDomain, digest_of, is_recovered, sign

KEY, OTHER = Account.from_key("0x" + "42" * 32), Account.from_key("0x" + "43" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
MESSAGE = MatcherDomain(1, "0x" + "11" * 20).withdrawal(5, 7)


@given(waits=st.lists(st.floats(0, 2), max_size=60), burst=st.integers(1, 5), per_second=st.floats(0.1, 5))
def test_take__any_pauses__never_more_than_burst_and_rate_allow(
    waits: list[float], burst: int, per_second: float
) -> None:
    now = 0.0
    limit, granted = RateLimit(per_second, burst, clock=lambda: now), 0
    for wait in waits:
        now += wait
        granted += limit.take("client")
    assert granted <= burst + per_second * now + 1e-6
    assert not waits or granted >= 1


def test_take__one_client_exhausted__others_are_not() -> None:
    limit = RateLimit(1, 1, clock=lambda: 0.0)
    assert [limit.take(client) for client in ("one", "one", "two")] == [True, False, True]


def test_take__endless_clients__are_forgotten_oldest_first() -> None:
    limit = RateLimit(1, 1, clock=lambda: 0.0)
    for number in range(KEPT_BUCKETS + 5):
        limit.take(str(number))
    assert len(limit) == KEPT_BUCKETS


def test_is_recovered__own_signature__and_no_other_form_of_it() -> None:
    digest, signature = digest_of(MESSAGE), bytes.fromhex(sign(MESSAGE, KEY)[2:])
    assert is_recovered(KEY.address, digest, signature)
    assert is_recovered(KEY.address.lower(), digest, signature)
    assert not is_recovered(OTHER.address, digest, signature)
    assert not is_recovered(KEY.address, digest, signature[:64])
    assert not is_recovered(KEY.address, digest, signature + b"\x00")
    assert not is_recovered(KEY.address, digest, signature[:64] + bytes([signature[64] - 27]))
    high = ORDER - int.from_bytes(signature[32:64], "big")
    malleated = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert not is_recovered(KEY.address, digest, malleated), "the exchange refuses it"
    assert not is_recovered(KEY.address, digest, b"\x00" * 64 + b"\x1b")


@pytest.mark.parametrize(
    "other",
    [
        MatcherDomain(2, "0x" + "11" * 20).withdrawal(5, 7),
        MatcherDomain(1, "0x" + "12" * 20).withdrawal(5, 7),
        MatcherDomain(1, "0x" + "11" * 20).withdrawal(6, 7),
        MatcherDomain(1, "0x" + "11" * 20).withdrawal(5, 8),
    ],
)
def test_withdrawal__of_something_else__has_another_digest(other: object) -> None:
    assert digest_of(other) != digest_of(MESSAGE)  # type: ignore[arg-type]


WITHOUT = """
import sys
for name in ("fastapi", "starlette", "uvicorn", "websockets", "httpx"):
    sys.modules[name] = None
import ballast.cli.order, ballast.matcher.book, ballast.matcher.client, ballast.matcher.settler
from click.testing import CliRunner
from ballast.cli.main import main
result = CliRunner().invoke(main, ["matcher", "run"])
print(result.exit_code, result.output)
"""


def test_run__without_the_extra__says_which_and_the_rest_works() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("3")
    assert "with its extra `matcher`" in " ".join(done.stdout.split())
