"""`QuorumFeed`: m of n signatures over one batch, newer only, within its age."""

from dataclasses import replace

import pytest

from ballast.chain.quorum import CompactSignature, QuorumNotReached, ReportKind, SignedReport, submit_calldata
from tests.support.evm import reverts
from tests.support.oracle import BTC, ETH, WAD
from tests.support.quorum import QuorumBench, ascending, key_of


@pytest.fixture
def bench() -> QuorumBench:
    return QuorumBench()


def test_submit__enough_signatures__stores_and_announces_each_report(bench: QuorumBench) -> None:
    batch = bench.batch(SignedReport(ETH, 3000 * WAD, WAD), SignedReport(BTC, 60_000 * WAD), age=3)
    events = bench.submit(batch).events("ReportStored")
    assert [(event.kind, event.subject, event.value) for event in events] == [
        (0, ETH, 3000 * WAD),
        (0, BTC, 60_000 * WAD),
    ]
    assert tuple(bench.feed.call("latestReport", ETH)) == (3000 * WAD, WAD, batch.published_at)
    assert bench.stored(BTC) == (60_000 * WAD, 0, batch.published_at)


def test_submit__more_signatures_than_needed__accepted(bench: QuorumBench) -> None:
    batch = bench.price(3000)
    bench.submit(batch, bench.sign(batch, bench.signers))
    assert bench.stored()[0] == 3000 * WAD


def test_submit__too_few_signatures__reverts(bench: QuorumBench) -> None:
    batch = bench.price(3000)
    with reverts("TooFewSignatures", given=2, threshold=3):
        bench.submit(batch, bench.sign(batch)[:2])


def test_submit__no_signers_set__reverts(bench: QuorumBench) -> None:
    feed = bench.evm.deploy("QuorumFeed", bench.authority.address)
    with reverts("TooFewSignatures", given=0, threshold=0):
        feed.transact("submit", bench.batch(SignedReport(ETH, WAD), epoch=0).as_tuple(), [])


def test_submit__stranger_among_the_signers__reverts(bench: QuorumBench) -> None:
    stranger = key_of("stranger")
    batch = bench.price(3000)
    with reverts("NotSigner", recovered=stranger.address):
        bench.submit(batch, bench.sign(batch, ascending([stranger, *bench.signers])))


def test_submit__other_values_than_signed__reverts() -> None:
    bench = QuorumBench(count=1, threshold=1)
    signatures = bench.sign(bench.price(3000))
    with reverts("NotSigner"):
        bench.submit(bench.price(3001), signatures)


def test_submit__signatures_of_no_curve_point__reverts(bench: QuorumBench) -> None:
    batch = bench.price(3000)
    zeros = CompactSignature(bytes(32), bytes(32))
    with reverts("ECDSAInvalidSignature"):
        bench.submit(batch, [zeros] * 3)


def test_submit__one_subject_newer_one_not__stores_the_newer_alone(bench: QuorumBench) -> None:
    bench.submit(bench.price(3000))
    batch = bench.batch(SignedReport(ETH, 2000 * WAD), SignedReport(BTC, 60_000 * WAD))
    assert [event.subject for event in bench.submit(batch).events("ReportStored")] == [BTC]
    assert bench.stored(ETH)[0] == 3000 * WAD


@pytest.mark.parametrize("value", [0, 2**96])
def test_submit__value_out_of_range__reverts(bench: QuorumBench, value: int) -> None:
    with reverts("InvalidReport", subject=ETH, value=value, confidence=0):
        bench.submit(bench.batch(SignedReport(ETH, value)))


def test_submit__confidence_or_subject_out_of_range__reverts(bench: QuorumBench) -> None:
    with reverts("InvalidReport", confidence=2**96):
        bench.submit(bench.batch(SignedReport(ETH, WAD, 2**96)))
    with reverts("InvalidReport", subject=256):
        bench.submit(bench.batch(SignedReport(256, WAD)))


@pytest.mark.parametrize("kind", [kind for kind in ReportKind if kind is not ReportKind.PRICE])
def test_submit__kind_that_others_take__reverts(bench: QuorumBench, kind: ReportKind) -> None:
    with reverts("ReportKindNotSupported", kind=kind):
        bench.submit(bench.batch(SignedReport(ETH, WAD, kind=kind)))


def test_set_signers__new_set__old_signatures_are_void(bench: QuorumBench) -> None:
    batch = bench.price(3000)
    signed = bench.sign(batch)
    others = ascending([key_of("new"), *bench.signers[:2]])
    receipt = bench.feed.transact("setSigners", [signer.address for signer in others], 2)
    (event,) = receipt.events("SignersSet")
    assert (event.epoch, event.threshold) == (2, 2) == (bench.feed.call("epoch"), bench.feed.call("threshold"))
    assert bench.feed.call("signers") == [signer.address for signer in others]
    with reverts("EpochPassed", epoch=1, current=2):
        bench.submit(batch, signed)
    left = bench.signers[4]
    assert not bench.feed.call("isSigner", left.address) and bench.feed.call("isSigner", others[0].address)
    batch = replace(batch, epoch=2)
    with reverts("NotSigner", recovered=left.address):
        bench.submit(batch, bench.sign(batch, ascending([*others, left])))
    bench.submit(batch, bench.sign(batch, others[:2]))
    assert bench.stored()[0] == 3000 * WAD


def test_set_signers__bad_sets__revert(bench: QuorumBench) -> None:
    one, two, three = (signer.address for signer in bench.signers[:3])
    with reverts("InvalidThreshold", threshold=1, signers=2):
        bench.feed.transact("setSigners", [one, two], 1)
    with reverts("InvalidThreshold", threshold=3, signers=2):
        bench.feed.transact("setSigners", [one, two], 3)
    with reverts("InvalidThreshold", threshold=0, signers=0):
        bench.feed.transact("setSigners", [], 0)
    with reverts("InvalidSigner", signer=one):
        bench.feed.transact("setSigners", [two, one, three], 2)
    with reverts("InvalidSigner", signer="0x" + "00" * 20):
        bench.feed.transact("setSigners", ["0x" + "00" * 20, one], 2)
    with reverts("TooManySigners", signers=32, most=31):
        bench.feed.transact("setSigners", [one] * 32, 17)


def test_set_max_age__within_bounds_alone(bench: QuorumBench) -> None:
    for wrong in (9, 601):
        with reverts("MaxAgeOutOfBounds", maxAge=wrong, least=10, most=600):
            bench.feed.transact("setMaxAge", wrong)
    (event,) = bench.feed.transact("setMaxAge", 600).events("MaxAgeSet")
    assert event.maxAge == bench.feed.call("maxAge") == 600


def test_setters__stranger__revert(bench: QuorumBench) -> None:
    stranger = bench.evm.address_of("stranger")
    for setter, arguments in (("setSigners", ([stranger], 1)), ("setMaxAge", (60,))):
        with reverts("AccessManagedUnauthorized", caller=stranger):
            bench.feed.transact(setter, *arguments, sender=stranger)


def test_hash_batch__equals_the_python_digest(bench: QuorumBench) -> None:
    batch = bench.batch(SignedReport(ETH, 3000 * WAD, WAD), SignedReport(BTC, 1))
    assert bench.feed.call("hashBatch", batch.as_tuple()) == bench.domain.hash(batch)


def test_aggregate__unordered_duplicate_and_foreign_signatures__ascending_quorum(bench: QuorumBench) -> None:
    batch = bench.price(3000)
    one, two, three, *_ = bench.signers
    signatures = bench.sign(batch, [three, key_of("stranger"), one, one, two])
    garbage = CompactSignature(b"\xff" * 32, b"\xff" * 32)
    addresses = [signer.address for signer in bench.signers]
    chosen = bench.domain.aggregate(batch, [garbage, *signatures], addresses, threshold=3)
    assert chosen == bench.sign(batch, [one, two, three])
    with pytest.raises(QuorumNotReached, match="3 valid signatures, 4 are needed"):
        bench.domain.aggregate(batch, signatures, addresses, threshold=4)
    bench.evm.execute(bench.evm.deployer, bench.feed.address, submit_calldata(batch, chosen))
    assert bench.stored()[0] == 3000 * WAD


def test_compact_signature__hex__round_trip(bench: QuorumBench) -> None:
    (signature,) = bench.sign(bench.price(3000), bench.signers[:1])
    assert CompactSignature.from_hex(signature.to_hex()) == signature
    with pytest.raises(ValueError, match="64 bytes"):
        CompactSignature.from_hex("0x00")
