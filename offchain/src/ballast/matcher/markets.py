"""The instruments of a deployment, as orders see them."""

from __future__ import annotations

from typing import Any

from ballast.chain.ids import KIND_OPTION, kind_of
from ballast.chain.instruments import underlying_of
from ballast.errors import ChainError
from ballast.matcher.admission import BILLION, Admission
from ballast.matcher.refusals import Refused
from ballast.matcher.views import Names


def read_instruments(admission: Admission, names: Names) -> list[dict[str, Any]]:
    """Every listed instrument, by registry index; without a price where its oracle has none.

    Raises:
        Refused: The chain cannot be read.
    """
    try:
        return _read(admission, names)
    except ChainError as fault:
        raise Refused("chain-unavailable", str(fault)) from None


def _read(admission: Admission, names: Names) -> list[dict[str, Any]]:
    system = admission.system
    block = system.connection.head()
    count = system.read("Clearinghouse", "instrumentCount", block=block)
    views = system.read_all([("Clearinghouse", "instrumentOf", [i]) for i in range(1, count + 1)], block)
    marks = system.read_many([("Clearinghouse", "markOf", [i]) for i in range(1, count + 1)], block)
    underlyings = sorted({underlying_of(view.id) for view in views})
    limits = system.read_all([("Clearinghouse", "underlyingLimitsOf", [one]) for one in underlyings], block)
    quotes, _ = system.read("OracleHub", "quotesOf", sum(1 << one for one in underlyings), block=block)
    band = dict(zip(underlyings, (one.limits.priceBand for one in limits), strict=True))
    index = {quote.underlying: quote.index for quote in quotes}
    found = []
    for view, mark in zip(views, marks, strict=True):
        underlying = underlying_of(view.id)
        entry = {
            "instrument": names.label(view.id),
            "id": str(view.id),
            "sizeStep": str(view.sizeStep),
            "reduceOnly": view.reduceOnly,
        }
        if isinstance(mark, ChainError):
            found.append({**entry, "mark": None, "lowest": None, "highest": None})
            continue
        width = (index[underlying] if kind_of(view.id) == KIND_OPTION else mark) * band[underlying] // BILLION
        edges = {"lowest": str(max(1, mark - width)), "highest": str(mark + width)}
        found.append({**entry, "mark": str(mark), **edges})
    return found
