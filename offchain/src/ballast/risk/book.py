"""The risk book: joint scenario rows, node grids and charges, in the integers the margin engine uses.

Units, throughout: shocks and depths are wad (1e18 is one); weights, haircuts, factors and charges are parts of 1e9. A
node of an underlying is ``price index · V + volatility index``, V being the number of volatility shocks; the node after
the last one is *stable*: everything at the stable price, volatility unshocked.

``Book.encode`` writes the layout that docs/architecture.md draws under "Risk book blob".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from ballast.errors import BallastError

WAD = 10**18
ONE_E9 = 10**9

BLOB_VERSION = 1
MAX_ROWS = 64
HIGHEST_FACTOR = 4 * ONE_E9
HIGHEST_FIXED_CHARGE = 1000 * ONE_E9
MAX_UNDERLYINGS = 255
LOWEST_PRICE_SHOCK = -99 * WAD // 100


class BookError(BallastError):
    """A risk book cannot be used."""


class InvalidBook(BookError):
    """A field of a risk book breaks a rule of its own."""

    def __init__(self, field_name: str, value: object, rule: str) -> None:
        self.field, self.value, self.rule = field_name, value, rule
        super().__init__(f"{field_name} = {value!r}: {rule}")


class MalformedBook(BookError):
    """Bytes or a file are no risk book at all."""


class CollateralNotListable(BookError):
    """1.25 · (worst shock, with its weight) + haircut ≥ 1: the asset could be worth less than it borrows."""

    def __init__(self, asset: str, requirement: int) -> None:
        self.asset, self.requirement = asset, requirement
        super().__init__(f"{asset}: initial factor · worst fall + haircut = {requirement / WAD:.4f}, not below 1")


@dataclass(frozen=True)
class Row:
    """One joint scenario: a node for each underlying, in the book's order. ``weight`` is 1e9 for a historical row."""

    name: str
    nodes: tuple[int, ...]
    weight: int = ONE_E9


@dataclass(frozen=True)
class Asset:
    """A collateral token: asset id of the vault, the underlying id it follows (0 for cash) and its haircut (1e9)."""

    id: int
    symbol: str
    underlying: int
    haircut: int


@dataclass(frozen=True)
class Underlying:
    """A risk factor: its node grid and its charges.

    ``price_shocks`` and ``volatility_shocks`` are wad, ascending, each with one 0. ``hedged_basis``, ``hedged_vega``,
    ``short_options`` and ``concentration`` are parts of 1e9 of the quantities they charge; ``depth`` is the net delta,
    in wad units, up to which no concentration is charged. A volatility shock s multiplies volatility by
    max(0.25, 1 + s · (30 d / max(T, ``shortest_tenor``)) ^ ``volatility_tenor_power``), T the time to expiry in
    seconds like ``shortest_tenor``.
    """

    id: int
    symbol: str
    price_shocks: tuple[int, ...]
    volatility_shocks: tuple[int, ...]
    hedged_basis: int
    hedged_vega: int
    short_options: int
    concentration: int
    depth: int
    volatility_tenor_power: int
    shortest_tenor: int

    @property
    def stable_node(self) -> int:
        return len(self.price_shocks) * len(self.volatility_shocks)

    @property
    def base_node(self) -> int:
        """The node at which nothing moves."""
        return self.node(self.price_shocks.index(0), self.volatility_shocks.index(0))

    def node(self, price_index: int, volatility_index: int) -> int:
        return price_index * len(self.volatility_shocks) + volatility_index

    def price_shock(self, node: int) -> int | None:
        """Price shock of a node, wad; None at the stable node, where it depends on the oracle."""
        return None if node == self.stable_node else self.price_shocks[node // len(self.volatility_shocks)]

    def volatility_shock(self, node: int) -> int:
        """Volatility shock of a node, wad; 0 at the stable node."""
        return 0 if node == self.stable_node else self.volatility_shocks[node % len(self.volatility_shocks)]


@dataclass(frozen=True)
class Book:
    """A risk book. Construction validates it, so every ``Book`` in existence keeps the rules below.

    ``tail_rows`` is k: the historical part of the scan is the mean of the k largest losses over ``historical``; the
    stress part is the largest weighted loss over ``stress``. ``fixed_charge`` is in 1e9 of the value unit. ``metadata``
    (sources, span, seed, settings) is for people and is not encoded.

    Raises:
        InvalidBook: k exceeds the historical rows; more than 64 rows; a weight outside (0, 1]; a node that does not
            exist; grids that differ in shape or lack a zero; ids out of order; a haircut of one or more; a value too
            wide for its field.
    """

    name: str
    tail_rows: int
    initial_factor: int
    liquidation_end_factor: int
    settlement_token_floor: int
    fixed_charge: int
    underlyings: tuple[Underlying, ...]
    assets: tuple[Asset, ...]
    historical: tuple[Row, ...]
    stress: tuple[Row, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows in the order of the chain: historical first."""
        return self.historical + self.stress

    def underlying(self, symbol: str) -> Underlying:
        for candidate in self.underlyings:
            if candidate.symbol == symbol:
                return candidate
        raise InvalidBook("underlying", symbol, "not in this book")

    def row_label(self, row: Row) -> str:
        """What the row does, for people: ``BTC -46.5 % vol +40 %, ETH …``; underlyings that stay are left out."""
        moves = [(u, node) for u, node in zip(self.underlyings, row.nodes, strict=True) if node != u.base_node]
        return ", ".join(_move_label(u, node) for u, node in moves) or "nothing moves"

    def worst_weighted_fall(self, underlying_id: int) -> int:
        """Largest loss of one long unit over all rows, each with its weight, wad, rounded up."""
        position = [u.id for u in self.underlyings].index(underlying_id)
        grid = self.underlyings[position]
        falls = [-row.weight * (grid.price_shock(row.nodes[position]) or 0) for row in self.rows]
        return max(0, -(-max(falls) // ONE_E9))

    def listing_requirement(self, asset: Asset) -> int:
        """Initial factor · worst weighted fall + haircut, wad, rounded up: a listed collateral keeps it below one."""
        fall = self.worst_weighted_fall(asset.underlying) if asset.underlying else 0
        return -(-self.initial_factor * fall // ONE_E9) + asset.haircut * (WAD // ONE_E9)

    def check_listing(self) -> None:
        """Raises CollateralNotListable for the first asset whose ``listing_requirement`` is one or more."""
        for asset in self.assets:
            if (requirement := self.listing_requirement(asset)) >= WAD:
                raise CollateralNotListable(asset.symbol, requirement)

    def encode(self) -> bytes:
        """The book as the margin engine stores it. Names and metadata stay behind."""
        return _encode(self)

    @staticmethod
    def decode(blob: bytes, names: Book | None = None) -> Book:
        """The book a blob encodes. Names of rows, underlyings and assets come from ``names`` where its blob is the
        same, else they are numbers.

        Raises:
            MalformedBook: another version, a wrong length, padding that is not zero.
            InvalidBook: it decodes to a book that breaks a rule.
        """
        if names is not None and names.encode() == blob:
            return names
        return _Reader(blob).book()

    def to_json(self) -> str:
        """The book as JSON, one row a line. A row's ``label`` is for the reader; ``from_json`` ignores it."""
        document = {f.name: getattr(self, f.name) for f in fields(self)}
        document["underlyings"] = [asdict(u) for u in self.underlyings]
        document["assets"] = [asdict(a) for a in self.assets]
        for kind in ("historical", "stress"):
            document[kind] = [asdict(row) | {"label": self.row_label(row)} for row in getattr(self, kind)]
        return _dump_lines(document)

    @staticmethod
    def from_json(text: str) -> Book:
        """Raises MalformedBook where the text is no book, InvalidBook where it is one that breaks a rule."""
        try:
            return _book_of(json.loads(text))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise MalformedBook(f"not a risk book: {type(error).__name__} {error}") from error

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Book:
        """Raises MalformedBook, InvalidBook, or OSError where there is no such file."""
        return Book.from_json(path.read_text(encoding="utf-8"))


def first_book() -> Book:
    """The book that ships with the package; docs/scenario-book.md says how it was built."""
    return Book.from_json(resources.files("ballast").joinpath("data/books/first.json").read_text(encoding="utf-8"))


def _move_label(underlying: Underlying, node: int) -> str:
    if node == underlying.stable_node:
        return f"{underlying.symbol} stable"
    price, volatility = underlying.price_shock(node) or 0, underlying.volatility_shock(node)
    label = f"{underlying.symbol} {_percent(price)}"
    return label if volatility == 0 else f"{label} vol {_percent(volatility)}"


def _percent(wad: int) -> str:
    return f"{(Decimal(wad) * 100 / WAD).normalize():+f} %"


# ---- JSON


def _dump_lines(document: Mapping[str, Any]) -> str:
    entries = []
    for key, value in document.items():
        if isinstance(value, list):
            lines = ",\n".join(f"    {json.dumps(item, ensure_ascii=False)}" for item in value)
            entries.append(f"  {json.dumps(key)}: [\n{lines}\n  ]")
        else:
            indented = json.dumps(value, indent=2, ensure_ascii=False).replace("\n", "\n  ")
            entries.append(f"  {json.dumps(key)}: {indented}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def _book_of(document: Mapping[str, Any]) -> Book:
    known = {f.name for f in fields(Book)}
    if unknown := set(document) - known:
        raise MalformedBook(f"unknown fields: {', '.join(sorted(unknown))}")
    kept = dict(document)
    kept["underlyings"] = tuple(_underlying_of(entry) for entry in document["underlyings"])
    kept["assets"] = tuple(Asset(**entry) for entry in document["assets"])
    for kind in ("historical", "stress"):
        kept[kind] = tuple(Row(r["name"], tuple(r["nodes"]), r["weight"]) for r in document[kind])
    return Book(**kept)


def _underlying_of(entry: Mapping[str, Any]) -> Underlying:
    grids = {name: tuple(entry[name]) for name in ("price_shocks", "volatility_shocks")}
    return Underlying(**{**entry, **grids})


# ---- rules


def _require(condition: bool, field_name: str, value: object, rule: str) -> None:
    if not condition:
        raise InvalidBook(field_name, value, rule)


def _require_integer(field_name: str, value: object, low: int, high: int) -> None:
    in_range = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    _require(in_range, field_name, value, f"must be an integer in [{low}, {high}]")


def _validate(book: Book) -> None:
    _require_integer("liquidation_end_factor", book.liquidation_end_factor, ONE_E9, HIGHEST_FACTOR)
    _require_integer("initial_factor", book.initial_factor, book.liquidation_end_factor, HIGHEST_FACTOR)
    _require_integer("settlement_token_floor", book.settlement_token_floor, 0, ONE_E9)
    _require_integer("fixed_charge", book.fixed_charge, 0, HIGHEST_FIXED_CHARGE)
    _require_ascending_ids(book)
    for underlying in book.underlyings:
        _validate_underlying(underlying)
    shapes = {(len(u.price_shocks), len(u.volatility_shocks)) for u in book.underlyings}
    _require(len(shapes) == 1, "underlyings", sorted(shapes), "all grids must have one shape")
    _validate_assets(book)
    _validate_rows(book)


def _require_ascending_ids(book: Book) -> None:
    ids = [u.id for u in book.underlyings]
    _require(0 < len(ids) <= MAX_UNDERLYINGS, "underlyings", len(ids), f"must be 1 to {MAX_UNDERLYINGS}")
    for underlying_id in ids:
        _require_integer("underlying.id", underlying_id, 1, 255)
    _require(all(a < b for a, b in pairwise(ids)), "underlyings", ids, "ids must ascend")
    symbols = [u.symbol for u in book.underlyings]
    _require(len(set(symbols)) == len(symbols), "underlyings", symbols, "symbols must differ")


def _validate_underlying(underlying: Underlying) -> None:
    who = underlying.symbol
    _validate_shocks(f"{who}.price_shocks", underlying.price_shocks, LOWEST_PRICE_SHOCK)
    _validate_shocks(f"{who}.volatility_shocks", underlying.volatility_shocks, 1 - WAD)
    _require(underlying.stable_node <= 255, f"{who}.price_shocks", underlying.stable_node, "at most 255 beside stable")
    for charge in ("hedged_basis", "hedged_vega", "short_options", "concentration", "volatility_tenor_power"):
        _require_integer(f"{who}.{charge}", getattr(underlying, charge), 0, ONE_E9)
    _require_integer(f"{who}.depth", underlying.depth, 0, 2**128 - 1)
    _require_integer(f"{who}.shortest_tenor", underlying.shortest_tenor, 1, 2**32 - 1)


def _validate_shocks(field_name: str, shocks: Sequence[int], lowest: int) -> None:
    for shock in shocks:
        _require_integer(field_name, shock, lowest, 2**63 - 1)
    _require(all(a < b for a, b in pairwise(shocks)), field_name, shocks, "shocks must ascend")
    _require(0 in shocks, field_name, shocks, "one shock must be 0")


def _validate_assets(book: Book) -> None:
    underlying_ids = {u.id for u in book.underlyings}
    asset_ids = [a.id for a in book.assets]
    _require(asset_ids == list(range(len(asset_ids))), "assets", asset_ids, "ids must count from 0")
    _require(0 < len(book.assets) <= 255, "assets", len(book.assets), "must be 1 to 255")
    cash = book.assets[0]
    _require((cash.haircut, cash.underlying) == (0, 0), "assets", cash, "the first is cash: no haircut, no underlying")
    for asset in book.assets[1:]:
        _require_integer(f"{asset.symbol}.haircut", asset.haircut, 0, ONE_E9 - 1)
        _require(asset.underlying in underlying_ids, f"{asset.symbol}.underlying", asset.underlying, "not in this book")


def _validate_rows(book: Book) -> None:
    _require_integer("tail_rows", book.tail_rows, 1, len(book.historical))
    _require(len(book.rows) <= MAX_ROWS, "rows", len(book.rows), f"at most {MAX_ROWS}")
    names = [row.name for row in book.rows]
    _require(all(names) and len(set(names)) == len(names), "rows", names, "every row needs a name of its own")
    for row in book.rows:
        _require(len(row.nodes) == len(book.underlyings), row.name, row.nodes, "one node an underlying")
        for node in row.nodes:
            _require_integer(f"{row.name}.nodes", node, 0, book.underlyings[0].stable_node)
        _require_integer(f"{row.name}.weight", row.weight, 1, ONE_E9)
    for row in book.historical:
        _require(row.weight == ONE_E9, f"{row.name}.weight", row.weight, "historical rows have weight one")


# ---- blob


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


def _words(values: Sequence[int], width: int) -> bytes:
    return _padded(b"".join(value.to_bytes(width, "big", signed=width == 8) for value in values))


def _encode(book: Book) -> bytes:
    shape = book.underlyings[0]
    counts = [BLOB_VERSION, len(book.historical), len(book.rows), book.tail_rows, len(shape.price_shocks)]
    counts += [len(shape.volatility_shocks), len(book.underlyings), len(book.assets)]
    factors = (book.initial_factor, book.liquidation_end_factor, book.settlement_token_floor)
    header = bytes(counts) + b"".join(f.to_bytes(4, "big") for f in factors) + book.fixed_charge.to_bytes(8, "big")
    weights = _words([row.weight for row in book.stress], 4)
    haircuts = _words([asset.haircut for asset in book.assets], 4)
    records = b"".join(_encode_underlying(book, position) for position in range(len(book.underlyings)))
    return _padded(header) + weights + haircuts + records


def _encode_underlying(book: Book, position: int) -> bytes:
    u = book.underlyings[position]
    charges = (u.hedged_basis, u.hedged_vega, u.short_options, u.concentration)
    head = bytes([u.id]) + b"".join(c.to_bytes(4, "big") for c in charges) + u.depth.to_bytes(16, "big")
    head += u.volatility_tenor_power.to_bytes(4, "big") + u.shortest_tenor.to_bytes(4, "big")
    shocks = _words(u.price_shocks + u.volatility_shocks, 8)
    return head.ljust(64, b"\0") + shocks + _padded(bytes(row.nodes[position] for row in book.rows))


class _Reader:
    """Reads a blob from front to back; padding must be zero and nothing may be left."""

    def __init__(self, blob: bytes) -> None:
        self.blob, self.at = blob, 0

    def take(self, length: int) -> bytes:
        if self.at + length > len(self.blob):
            raise MalformedBook(f"{len(self.blob)} bytes, more expected")
        self.at += length
        return self.blob[self.at - length : self.at]

    def integers(self, count: int, width: int, signed: bool = False) -> list[int]:
        return [int.from_bytes(self.take(width), "big", signed=signed) for _ in range(count)]

    def skip_zeros(self, length: int) -> None:
        if any(self.take(length)):
            raise MalformedBook(f"padding before byte {self.at} is not zero")

    def align(self) -> None:
        self.skip_zeros(-self.at % 32)

    def book(self) -> Book:
        version, historical, rows, tail_rows, prices, volatilities, underlyings, assets = self.integers(8, 1)
        if version != BLOB_VERSION or historical > rows:
            raise MalformedBook(f"version {version}, {historical} historical of {rows} rows")
        initial, liquidation_end, floor = self.integers(3, 4)
        (fixed_charge,) = self.integers(1, 8)
        self.align()
        weights = [ONE_E9] * historical + self._aligned_integers(rows - historical, 4)
        haircuts = self._aligned_integers(assets, 4)
        records = [self._underlying(prices, volatilities, rows) for _ in range(underlyings)]
        if self.at != len(self.blob):
            raise MalformedBook(f"{len(self.blob) - self.at} bytes too many")
        named = tuple(Row(f"row {j}", tuple(nodes[j] for _, nodes in records), weights[j]) for j in range(rows))
        grids = tuple(grid for grid, _ in records)
        return Book(
            "decoded", tail_rows, initial, liquidation_end, floor, fixed_charge, grids,
            _numbered_assets(haircuts, grids), named[:historical], named[historical:],
        )  # fmt: skip

    def _aligned_integers(self, count: int, width: int) -> list[int]:
        values = self.integers(count, width)
        self.align()
        return values

    def _underlying(self, prices: int, volatilities: int, rows: int) -> tuple[Underlying, list[int]]:
        (underlying_id,) = self.integers(1, 1)
        basis, vega, short_options, concentration = self.integers(4, 4)
        (depth,) = self.integers(1, 16)
        power, shortest_tenor = self.integers(2, 4)
        self.skip_zeros(23)
        shocks = tuple(self.integers(prices + volatilities, 8, signed=True))
        self.align()
        nodes = self._aligned_integers(rows, 1)
        grid = Underlying(
            underlying_id, f"underlying {underlying_id}", shocks[:prices], shocks[prices:],
            basis, vega, short_options, concentration, depth, power, shortest_tenor,
        )  # fmt: skip
        return grid, nodes


def _numbered_assets(haircuts: Sequence[int], grids: Sequence[Underlying]) -> tuple[Asset, ...]:
    """The blob holds no link from asset to underlying: the first underlying stands in."""
    return tuple(Asset(i, f"asset {i}", grids[0].id if i else 0, haircut) for i, haircut in enumerate(haircuts))
