"""What goes over the wire, strictly: integers beyond 53 bits are decimal text, unknown fields are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ballast.matcher.requests import MOST_LEGS

_ADDRESS = "^0x[0-9a-fA-F]{40}$"
_HASH = "^0x[0-9a-f]{64}$"
# Contracts may take longer signatures than keys make.
_SIGNATURE = "^0x([0-9a-fA-F]{2}){1,2048}$"

_EXAMPLE: dict[str, Any] = {
    "chainId": 11155111,
    "exchange": "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
    "order": {
        "account": "50860448870393098441930803117286943203446812870871",
        "signer": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "instrument": "454086624460063511464984254936031011189294057512315937409637584344757371137",
        "size": "2000000000000000000",
        "limit": "2500000000000000000000",
        "flags": "2",
        "expiry": "1798189200",
        "nonce": "1798185600",
        "group": "0",
        "maxFee": "5000000",
        "trigger": "0",
        "epoch": "0",
    },
    "signature": "0x" + "5a" * 64 + "1b",
    "hash": "0x" + "c3" * 32,
}


def _within(lowest: int, highest: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not lowest <= int(text) <= highest:
            raise ValueError(f"outside {lowest} … {highest}")
        return text

    return check


def _unsigned(bits: int) -> Any:
    return Annotated[str, Field(pattern="^[0-9]{1,78}$"), AfterValidator(_within(0, (1 << bits) - 1))]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class OrderTerms(_Strict):
    """The fields of an order as it is signed, all but the address in decimal text."""

    account: _unsigned(256)  # type: ignore[valid-type]
    signer: Annotated[str, Field(pattern=_ADDRESS)]
    instrument: _unsigned(256)  # type: ignore[valid-type]
    size: Annotated[str, Field(pattern="^-?[0-9]{1,39}$"), AfterValidator(_within(1 - (1 << 127), (1 << 127) - 1))]
    limit: _unsigned(128)  # type: ignore[valid-type]
    flags: _unsigned(256)  # type: ignore[valid-type]
    expiry: _unsigned(40)  # type: ignore[valid-type]
    nonce: _unsigned(64)  # type: ignore[valid-type]
    group: _unsigned(64)  # type: ignore[valid-type]
    maxFee: _unsigned(32)  # type: ignore[valid-type]
    trigger: _unsigned(128)  # type: ignore[valid-type]
    epoch: _unsigned(32)  # type: ignore[valid-type]


class OrderDocument(_Strict):
    """A signed order, as `ballast order sign` prints it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    chainId: int
    exchange: Annotated[str, Field(pattern=_ADDRESS)]
    order: OrderTerms
    signature: Annotated[str, Field(pattern=_SIGNATURE)]
    hash: Annotated[str, Field(pattern=_HASH)]


class WithdrawalDocument(_Strict):
    """Who signed the typed data `Withdrawal(uint256 account,uint64 nonce)` of the domain `Ballast Matcher`, and how."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"signer": _EXAMPLE["order"]["signer"], "signature": _EXAMPLE["signature"]}]}
    )

    signer: Annotated[str, Field(pattern=_ADDRESS)]
    signature: Annotated[str, Field(pattern=_SIGNATURE)]


class LegDocument(_Strict):
    """What the taker trades of one instrument; positive sizes buy."""

    instrument: Annotated[str, Field(max_length=80)]
    size: Annotated[str, Field(pattern="^-?[0-9]{1,39}$"), AfterValidator(_within(1 - (1 << 127), (1 << 127) - 1))]


class PackageDocument(_Strict):
    """Signed legs of one account, as `ballast order sign --leg` prints them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"orders": [_EXAMPLE, _EXAMPLE]}]})

    orders: Annotated[list[OrderDocument], Field(min_length=2, max_length=MOST_LEGS)]


class RequestDocument(_Strict):
    """A request for quotes: legs, or the signed orders that are matched with the best quote when the time is over."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "seconds": 15,
                    "legs": [
                        {"instrument": "CALL:ETH:2026-12-25:3000", "size": "1000000000000000000"},
                        {"instrument": "CALL:ETH:2026-12-25:3500", "size": "-1000000000000000000"},
                    ],
                }
            ]
        }
    )

    seconds: Annotated[int, Field(ge=1, le=300)] = 15
    legs: Annotated[list[LegDocument], Field(max_length=MOST_LEGS)] = []
    orders: Annotated[list[OrderDocument], Field(max_length=MOST_LEGS)] = []

    @model_validator(mode="after")
    def _is_one_of_both(self) -> RequestDocument:
        if bool(self.legs) == bool(self.orders):
            raise ValueError("either legs or orders")
        return self


class Problem(BaseModel):
    """RFC 9457. Further members explain the code."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/margin",
                    "title": "Its margin would not suffice.",
                    "status": 409,
                    "detail": "Its margin would not suffice.",
                    "code": "margin",
                    "rule": "initial margin",
                    "equity": "1000000000000000000000",
                    "required": "1250000000000000000000",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str
    code: str


class OrderView(BaseModel):
    """An order now. Sizes and price wad; `pending` is matched and not settled yet."""

    hash: str
    account: str
    nonce: str
    instrument: str
    side: str
    size: str
    limit: str
    flags: list[str]
    group: str
    expiry: int
    state: str
    reason: str
    filled: str
    pending: str
    open: str
    sequence: int
    time: int
    request: int | None


class TradeView(BaseModel):
    """Two orders that were matched. In a book the maker came first; of a request for quotes he is who answered.

    Trades of one unit are settled together or not at all.
    """

    id: int
    unit: int
    instrument: str
    side: str | None
    size: str
    price: str
    taker: str
    maker: str
    takerSequence: int | None
    makerSequence: int | None
    state: str
    settled: str
    transaction: str | None


class Place(BaseModel):
    """Where an order stands in the order of arrival; `chain` is the running hash of all orders up to it."""

    hash: str
    sequence: int
    time: int
    chain: str


class Receipt(Place):
    """Signed as typed data `Receipt(bytes32 order,uint64 sequence,uint64 time,bytes32 chain)`."""

    matcher: str
    signature: str


class OrderAnswer(BaseModel):
    order: OrderView
    trades: list[TradeView]


class SubmitAnswer(OrderAnswer):
    receipt: Receipt


class LegView(BaseModel):
    instrument: str
    size: str


class QuoteView(BaseModel):
    """A maker's orders against all legs; `cost` is what the taker pays for all, wad, rounded up, before fees."""

    orders: list[str]
    limits: list[str]
    cost: str
    state: str
    sequence: int
    time: int


class RequestView(BaseModel):
    """A request for quotes: `open`, `matched`, `settled` or `over`; quotes in the order of arrival. Times are ms."""

    id: int
    legs: list[LegView]
    time: int
    until: int
    closedAt: int | None
    state: str
    taker: list[str]
    quotes: list[QuoteView]


class RequestsAnswer(BaseModel):
    requests: list[RequestView]


class PackageAnswer(BaseModel):
    """The request, and the orders that were brought with a receipt each."""

    request: RequestView
    receipts: list[Receipt]
    orders: list[OrderView]
    trades: list[TradeView]


class ReceiptsAnswer(BaseModel):
    receipts: list[Place]


class JournalAnswer(BaseModel):
    """Everything that made the books what they are, in order; `length` is the number of the last entry."""

    policy: str
    length: int
    entries: list[dict[str, Any]]


class BookAnswer(BaseModel):
    instrument: str
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class TradesAnswer(BaseModel):
    trades: list[TradeView]


class InstrumentView(BaseModel):
    """Step, mark, and the lowest and highest limit that is taken now, wad."""

    instrument: str
    id: str
    sizeStep: str
    mark: str | None
    lowest: str | None
    highest: str | None
    reduceOnly: bool


class InstrumentsAnswer(BaseModel):
    instruments: list[InstrumentView]


class HealthAnswer(BaseModel):
    status: str
    block: int | None
    sequence: int
    fillsWaiting: int
    batchesUnderWay: int
    queue: int
    session: str
