"""A ledger that hears the clearinghouse's events as they happen, to be compared with storage after any act."""

from __future__ import annotations

from typing import Any

import pytest

from ballast.chain.logs import Event
from ballast.ledger import AssetInfo, Ledger
from tests.support.system import System


def module_accounts(system: System) -> tuple[int, int]:
    """The cash accounts of the insurance fund and the treasury."""
    treasury = system.clearinghouse.call("treasury").account
    return int(system.insurance_fund.address, 16) << 96, int(treasury, 16) << 96


def listen(system: System, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger of everything from now on; to be called before anybody holds anything."""
    ledger, evm, house = Ledger(), system.evm, system.clearinghouse
    for asset in range(house.call("assetCount")):
        view = house.call("assetOf", asset)
        ledger.assets[asset] = AssetInfo(view.token, view.underlying, view.decimals)
    for index in range(1, house.call("instrumentCount") + 1):
        ledger.instruments[index] = house.call("instrumentOf", index).id
    ledger.insurance_account, ledger.treasury_account = module_accounts(system)
    execute = type(evm).execute

    def heard(self: Any, *arguments: Any, static: bool = False, **options: Any) -> bytes:
        output = execute(self, *arguments, static=static, **options)
        if not static:
            logs = [log for log in self.last_logs() if log.address == house.address]
            ledger.apply(Event("Clearinghouse", log.name, log.arguments.as_dict(), 0, 0, "") for log in logs)
        return output

    monkeypatch.setattr(type(evm), "execute", heard)
    return ledger
