"""The in-process EVM itself: every other test trusts it."""

from __future__ import annotations

import pytest

from tests.support.evm import Contract, Evm, Revert, reverts


@pytest.fixture
def evm() -> Evm:
    return Evm(chain_id=31_337)


@pytest.fixture
def probe(evm: Evm) -> Contract:
    return evm.deploy("EvmProbe")


def test_block__chain_id_and_clock__are_the_ones_asked_for(evm: Evm, probe: Contract) -> None:
    evm.advance(seconds=60, blocks=5)
    assert tuple(probe.call("here")) == (31_337, evm.number, evm.timestamp)


def test_transact__event__is_decoded_by_name(probe: Contract) -> None:
    (stored,) = probe.transact("store", 3, 7).events("Stored")
    assert (stored.key, stored.value) == (3, 7)


def test_transact__typed_revert__carries_values_and_undoes_writes(probe: Contract) -> None:
    probe.transact("store", 1, 7)
    with reverts("Refused", value=9):
        probe.transact("storeThenRefuse", 9)
    assert probe.call("stored") == 7


def test_reverts__no_revert_or_another_error__fails_the_test(probe: Contract) -> None:
    with pytest.raises(AssertionError, match="did not revert"), reverts("Refused"):
        probe.transact("store", 1, 1)
    with pytest.raises(AssertionError, match="not Denied"), reverts("Denied"):
        probe.transact("storeThenRefuse", 9)
    with pytest.raises(AssertionError, match="is 9, not 8"), reverts("Refused", value=8):
        probe.transact("storeThenRefuse", 9)


def test_transact__transient_storage__starts_empty_each_time(probe: Contract) -> None:
    assert [probe.transact("hold", 5).result for _ in range(3)] == [0, 0, 0]


def test_transact__error_raised_in_assembly_by_solady__has_its_name(probe: Contract) -> None:
    with reverts("TransferFromFailed"):
        probe.transact("pull", probe.address)


def test_call__endless_loop__runs_out_of_gas(probe: Contract) -> None:
    with reverts("OutOfGas"):
        probe.call("spin")


def test_call__state_change__is_refused(probe: Contract) -> None:
    with reverts("StateChangeDuringStaticCall"):
        probe.call("hold", 5)


def test_transact__sender_with_code__is_refused(evm: Evm, probe: Contract) -> None:
    with reverts("RejectCallerWithCode"):
        evm.deploy("EvmProbe").transact("store", 1, 1, sender=probe.address)


def test_rolled_back__nested_and_failing__restores_state_and_clock(evm: Evm, probe: Contract) -> None:
    probe.transact("store", 1, 7)
    before = evm.timestamp
    with evm.rolled_back():
        probe.transact("store", 1, 8)
        with pytest.raises(Revert), evm.rolled_back():
            evm.advance()
            probe.transact("store", 1, 9)
            probe.transact("storeThenRefuse", 10)
        assert (probe.call("stored"), evm.timestamp) == (8, before)
    assert probe.call("stored") == 7


def test_rolled_back__more_often_than_the_call_depth__keeps_working(evm: Evm, probe: Contract) -> None:
    for value in range(1_100):
        with evm.rolled_back():
            probe.transact("store", 1, value)
    assert probe.call("stored") == 0
