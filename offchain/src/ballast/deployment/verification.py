"""Reading a deployment back from the chain and comparing it with its configuration.

An address that holds code proves code and constructor arguments (see `create2`); every value a deployment sets is read
again; and the access manager is searched for powers that no configuration gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from eth_utils.crypto import keccak

from ballast.chain.instruments import label_of
from ballast.deployment.access import Access, read_access
from ballast.deployment.builder import Builder
from ballast.deployment.config import configuration_hash
from ballast.deployment.finding import Finding
from ballast.deployment.plan import comparable
from ballast.deployment.powers import of_access
from ballast.deployment.record import DeploymentRecord
from ballast.deployment.roles import RESTRICTED


def verify(builder: Builder, record: DeploymentRecord, access: Access | None = None) -> list[Finding]:
    """Everything there is to compare, in the order of the deployment. Sends nothing.

    Args:
        builder: Made with the configuration and the same `record`.
        access: Who can do what, where it has been read already.
    """
    return [
        *_of_record(builder, record),
        *(Finding(step.name, comparable(step.expected), step.actual()) for step in builder.steps),
        *_of_connections(builder),
        *_of_instruments(builder),
        *_of_expiries(builder),
        *of_access(builder.network, access or read_access(builder, record.block)),
    ]


def _of_record(builder: Builder, record: DeploymentRecord) -> Iterator[Finding]:
    yield Finding("network", builder.network.network, record.network)
    yield Finding("configuration", configuration_hash(builder.network, builder.book), record.configuration)
    for name, creation in builder.blueprint.creations.items():
        entry = record.contracts.get(name)
        if entry is None:
            yield Finding(f"record of {name}", creation.contract.address, None)
            continue
        code = "0x" + keccak(builder.backend.code_at(entry.address)).hex()
        yield Finding(f"address of {name}", creation.contract.address, entry.address)
        yield Finding(f"code of {name}", entry.code_hash, code)


def _of_connections(builder: Builder) -> Iterator[Finding]:
    """What governance can replace or add later is what it was at first."""
    contracts, network = builder.contracts, builder.network
    house, hub = contracts["Clearinghouse"], contracts["OracleHub"]
    for name, function in (("MarginEngine", "marginEngine"), ("OracleHub", "oracleHub")):
        yield Finding(f"{function} of Clearinghouse", contracts[name].address, house.call(function))
    for name, function in (("OracleHub", "oracleHub"), ("QuorumFeed", "quorumFeed")):
        yield Finding(f"{function} of Expiries", contracts[name].address, contracts["Expiries"].call(function))
    for name in RESTRICTED:
        yield Finding(f"authority of {name}", contracts["Authority"].address, contracts[name].call("authority"))
    listed = sum(1 << underlying.id for underlying in network.underlyings.values())
    yield Finding("underlyings with prices", listed, hub.call("listedUnderlyings"))
    yield Finding("number of assets", len(network.asset_ids), house.call("assetCount"))
    settlement = builder.blueprint.token(network.settlement_symbol).address
    yield Finding("settlement token", settlement, house.call("assetOf", 0).token)


def _of_instruments(builder: Builder) -> Iterator[Finding]:
    """Every instrument on the chain and in the file, each with all its terms, the guardian's reduce-only among them."""
    house, symbols = builder.contracts["Clearinghouse"], _symbols(builder)
    views = [house.call("instrumentOf", index + 1) for index in range(house.call("instrumentCount"))]
    found = {view.id: _terms(view.id, view.sizeStep, view.openInterestCap, view.reduceOnly, symbols) for view in views}
    wanted = {
        one.id: _terms(one.id, one.size_step, one.open_interest_cap, False, symbols)
        for one in builder.network.instruments.values()
    }
    yield Finding("number of instruments", len(wanted), len(found))
    for number in dict.fromkeys([*wanted, *found]):
        label = label_of(number, symbols)
        yield Finding(f"instrument {label}", wanted.get(number), found.get(number))


def _terms(number: int, size_step: int, cap: int, reduce_only: bool, symbols: Callable[[int], str]) -> dict[str, Any]:
    kind, *rest = label_of(number, symbols).split(":")
    names = dict(zip(("underlying", "expiry", "strike"), rest, strict=False))
    return {"kind": kind, **names, "size step": size_step, "open-interest cap": cap, "reduce-only": reduce_only}


def _of_expiries(builder: Builder) -> Iterator[Finding]:
    """No expiry is open to listing besides those of the file."""
    network, expiries = builder.network, builder.contracts["Expiries"]
    for symbol, underlying in network.underlyings.items():
        listed = {entry.expiry for entry in network.expiries.listed.get(symbol, ())}
        yield Finding(
            f"other expiries of {symbol}", (), tuple(_beyond(expiries.call("expiriesOf", underlying.id), listed))
        )


def _beyond(found: Iterable[int], listed: set[int]) -> Iterator[str]:
    return (datetime.fromtimestamp(expiry, UTC).date().isoformat() for expiry in found if expiry not in listed)


def _symbols(builder: Builder) -> Callable[[int], str]:
    symbols = {underlying.id: symbol for symbol, underlying in builder.network.underlyings.items()}
    return lambda number: symbols.get(number, f"underlying {number}")
