"""Attacks on the quorum feed. Each fails here, and would succeed without the rule it names."""

from __future__ import annotations

import pytest
from eth_keys.constants import SECPK1_N

from ballast.chain.quorum import CompactSignature, QuorumDomain
from tests.support.evm import reverts
from tests.support.oracle import WAD
from tests.support.quorum import QuorumBench

PARITY_BIT = 1 << 255
MAX_AGE = 60


@pytest.fixture
def bench() -> QuorumBench:
    return QuorumBench()


def test_attack_future_dated_report__refused(bench: QuorumBench) -> None:
    batch = bench.price(3000, age=-1)
    with reverts("ReportFromFuture", publishedAt=bench.evm.timestamp + 1, timestamp=bench.evm.timestamp):
        bench.submit(batch)


def test_attack_rolled_back_report__refused(bench: QuorumBench) -> None:
    bench.submit(bench.price(3000))
    for age in (0, 1):
        with reverts("NothingNewer"):
            bench.submit(bench.price(2900, age=age))
    assert bench.stored()[0] == 3000 * WAD


def test_attack_cherry_picked_report__choice_is_no_wider_than_the_greatest_age(bench: QuorumBench) -> None:
    hoard = []
    for usd in range(3000, 2980, -1):
        batch = bench.price(usd)
        hoard.append((batch, bench.sign(batch)))
        bench.evm.advance(MAX_AGE // 10)
    batch, signatures = hoard[0]
    with reverts("ReportTooOld", publishedAt=batch.published_at, maxAge=MAX_AGE):
        bench.submit(batch, signatures)
    within = [entry for entry in hoard if bench.evm.timestamp - entry[0].published_at <= MAX_AGE]
    bench.submit(*within[-1])
    with reverts("NothingNewer"):
        bench.submit(*within[0])
    assert bench.stored()[0] == within[-1][0].reports[0].value, "the newest batch by anybody ends the choice"


def test_attack_duplicate_signers__each_counts_once(bench: QuorumBench) -> None:
    batch = bench.price(1)
    one, two, *_ = bench.signers
    with reverts("SignersNotAscending", previous=one.address, next=one.address):
        bench.submit(batch, bench.sign(batch, [one, one, one]))
    with reverts("SignersNotAscending", previous=two.address, next=one.address):
        bench.submit(batch, bench.sign(batch, [one, two, one]))


def test_attack_malleable_signature__no_second_form_of_a_signers_own() -> None:
    """(r, n − s, other parity) signs the same digest, so s above n/2 is no signature here.

    In compact form s has 255 bits: nearly every high s loses its highest bit. The few that fit are refused by value.
    """
    bench = QuorumBench(count=1, threshold=1)
    batch = bench.price(3000)
    (signed,) = bench.sign(batch)
    vs = int.from_bytes(signed.vs, "big")
    other_parity = PARITY_BIT if vs < PARITY_BIT else 0
    flipped = (SECPK1_N - vs % PARITY_BIT) % PARITY_BIT | other_parity
    with reverts("NotSigner"):
        bench.submit(batch, [CompactSignature(signed.r, flipped.to_bytes(32, "big"))])
    highest = (PARITY_BIT - 1).to_bytes(32, "big")
    with reverts("ECDSAInvalidSignatureS"):
        bench.submit(batch, [CompactSignature(signed.r, highest)])


@pytest.mark.parametrize("elsewhere", ["chain", "contract"])
def test_attack_signature_for_elsewhere__refused(elsewhere: str) -> None:
    bench = QuorumBench(count=1, threshold=1)
    batch = bench.price(3000)
    other = QuorumBench(bench.evm, count=1, threshold=1)
    domain = QuorumDomain(2, bench.feed.address) if elsewhere == "chain" else other.domain
    with reverts("NotSigner"):
        bench.submit(batch, [domain.sign(batch, bench.signers[0])])


def test_attack_minority_of_signers__forges_nothing(bench: QuorumBench) -> None:
    batch = bench.price(1)
    with reverts("TooFewSignatures", given=2, threshold=3):
        bench.submit(batch, bench.sign(batch, bench.signers[:2]))
    assert bench.stored() == (0, 0, 0)


def test_attack_replaced_signers__their_old_reports_are_void(bench: QuorumBench) -> None:
    batch = bench.price(1)
    signed = bench.sign(batch)
    bench.feed.transact("setSigners", [signer.address for signer in bench.signers[2:]], 2)
    with reverts("EpochPassed", epoch=1, current=2):
        bench.submit(batch, signed)
