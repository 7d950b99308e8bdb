"""Instruments as people write them."""

import pytest

from ballast.chain.ids import future_of, option_of, perp_of
from ballast.chain.instruments import label_of, parse_instrument
from tests.support.system import WAD, wad

NAMES = {1: "BTC", 2: "ETH"}
NUMBERS = {name: number for number, name in NAMES.items()}
EXPIRY = 1_798_185_600  # 2026-12-25 08:00 UTC


@pytest.mark.parametrize(
    ("instrument", "label"),
    [
        (perp_of(2), "PERP:ETH"),
        (future_of(1, EXPIRY), "FUTURE:BTC:2026-12-25"),
        (option_of(2, EXPIRY, wad(3_000), is_put=False), "CALL:ETH:2026-12-25:3000"),
        (option_of(1, EXPIRY, 5 * WAD // 2, is_put=True), "PUT:BTC:2026-12-25:2.5"),
    ],
)
def test_label__of_every_kind__reads_back(instrument: int, label: str):
    assert label_of(instrument, NAMES.__getitem__) == label
    assert parse_instrument(label, NUMBERS.__getitem__) == instrument


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ETH",
        "SWAP:ETH",
        "PERP:ETH:2026-12-25",
        "CALL:ETH:2026-12-25",
        "CALL:ETH:25.12.2026:3000",
        "PUT:ETH:2026-12-25:x",
    ],
)
def test_parse__no_instrument__says_what_one_looks_like(text: str):
    with pytest.raises(ValueError, match=r"write|is no"):
        parse_instrument(text, NUMBERS.__getitem__)
