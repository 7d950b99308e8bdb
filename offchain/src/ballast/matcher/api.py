"""The matcher over HTTP and WebSocket. Faults are problem documents (RFC 9457) with a stable `code`."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ballast import __version__
from ballast.chain.order_files import UnreadableOrder, parse_order
from ballast.chain.orders import OrderDomain, SignedOrder
from ballast.matcher.documents import (
    BookAnswer,
    HealthAnswer,
    InstrumentsAnswer,
    JournalAnswer,
    OrderAnswer,
    OrderDocument,
    PackageAnswer,
    PackageDocument,
    Problem,
    ReceiptsAnswer,
    RequestDocument,
    RequestsAnswer,
    RequestView,
    SubmitAnswer,
    TradesAnswer,
    WithdrawalDocument,
)
from ballast.matcher.limits import RateLimit
from ballast.matcher.markets import read_instruments
from ballast.matcher.refusals import PROBLEMS, Refused
from ballast.matcher.service import Matcher
from ballast.matcher.sockets import serve_socket

PROBLEM_TYPE = "application/problem+json"
LARGEST_BODY = 16 * 1024
DESCRIPTION = """
Signed orders in, settlements out. The matcher is trusted with nothing but the order of arrival: it can neither fill an
order beyond what was signed nor touch an account. Amounts are decimal text in wad (1e18 is one).
"""
router = APIRouter()
log = structlog.get_logger(__name__)


def _matcher(request: Request) -> Matcher:
    matcher: Matcher = request.app.state.matcher
    return matcher


def _limited(request: Request) -> None:
    limit: RateLimit = request.app.state.limit
    if not limit.take(request.client.host if request.client else ""):
        raise Refused("too-many-requests")


TheMatcher = Annotated[Matcher, Depends(_matcher)]
Instrument = Annotated[str, Path(examples=["PERP:ETH"], max_length=80)]
_FAULTS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document",
        "content": {PROBLEM_TYPE: {"schema": Problem.model_json_schema()}},
    }
}


@router.post("/orders", status_code=201, responses=_FAULTS, dependencies=[Depends(_limited)], tags=["orders"])
async def submit(document: OrderDocument, matcher: TheMatcher) -> SubmitAnswer:
    """Takes a signed order as `ballast order sign` prints it. What it returns is on disk; the receipt is signed."""
    return SubmitAnswer.model_validate(await matcher.submit(_signed(document, matcher.domain)))


def _signed(document: OrderDocument, domain: OrderDomain) -> SignedOrder:
    if (document.chainId, document.exchange.lower()) != (domain.chain_id, domain.exchange.lower()):
        raise Refused("other-exchange", f"This matcher serves {domain.exchange} of chain {domain.chain_id}.")
    try:
        return parse_order(document.model_dump(), domain)
    except UnreadableOrder as fault:
        raise Refused("hash-mismatch", str(fault)) from None


@router.delete("/orders/{account}/{nonce}", responses=_FAULTS, dependencies=[Depends(_limited)], tags=["orders"])
async def withdraw(
    account: Annotated[int, Path(ge=1, lt=1 << 256)],
    nonce: Annotated[int, Path(ge=0, lt=1 << 64)],
    document: WithdrawalDocument,
    matcher: TheMatcher,
) -> OrderAnswer:
    """Takes an order out of the book, by a signed `Withdrawal`. Fills that are matched already go on.

    Whoever holds the order can still settle it: only a cancel on chain is for good.
    """
    signature = bytes.fromhex(document.signature[2:])
    return OrderAnswer.model_validate(await matcher.withdraw(account, nonce, document.signer, signature))


@router.get("/orders/{order_hash}", responses=_FAULTS, tags=["orders"])
async def order(order_hash: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$")], matcher: TheMatcher) -> SubmitAnswer:
    """What became of an order so far, and its receipt."""
    with matcher.sequencer.state() as engine:
        record = engine.orders.get(order_hash)
        if record is None:
            raise Refused("not-found")
        shown = {"order": matcher.views.order(record), "trades": matcher.views.trades_of(order_hash)}
    await matcher.on_disk()
    return SubmitAnswer.model_validate({"receipt": matcher.receipt(record), **shown})


Number = Annotated[int, Path(ge=1, lt=1 << 53)]


@router.post("/rfq", status_code=201, responses=_FAULTS, dependencies=[Depends(_limited)], tags=["quotes"])
async def ask(document: RequestDocument, matcher: TheMatcher) -> PackageAnswer:
    """Asks makers for quotes of several legs together; they hear of it on the channel `rfq`.

    With signed orders the best quote is matched when the time is over, without the taker takes one by `/rfq/{id}/take`.
    """
    package = [_signed(one, matcher.domain) for one in document.orders]
    named = [(matcher.views.names.instrument(one.instrument), int(one.size)) for one in document.legs]
    legs = named or [(one.order.instrument, one.order.size) for one in package]
    answer = await matcher.quote(lambda desk: desk.ask(legs, package, document.seconds))
    return PackageAnswer.model_validate(answer)


@router.post(
    "/rfq/{number}/quotes", status_code=201, responses=_FAULTS, dependencies=[Depends(_limited)], tags=["quotes"]
)
async def answer(number: Number, document: PackageDocument, matcher: TheMatcher) -> PackageAnswer:
    """A maker's quote: signed orders against all legs. It is firm until the request is over or it is withdrawn."""
    package = [_signed(one, matcher.domain) for one in document.orders]
    return PackageAnswer.model_validate(await matcher.quote(lambda desk: desk.answer(number, package)))


@router.post(
    "/rfq/{number}/take", status_code=201, responses=_FAULTS, dependencies=[Depends(_limited)], tags=["quotes"]
)
async def take(number: Number, document: PackageDocument, matcher: TheMatcher) -> PackageAnswer:
    """The taker's signed orders for a request made without: matched at once with the best quote, or refused."""
    package = [_signed(one, matcher.domain) for one in document.orders]
    return PackageAnswer.model_validate(await matcher.quote(lambda desk: desk.take(number, package)))


@router.get("/rfq/{number}", responses=_FAULTS, tags=["quotes"])
async def request(number: Number, matcher: TheMatcher) -> RequestView:
    """A request for quotes, its quotes, and what became of it."""
    with matcher.sequencer.state() as engine:
        record = engine.requests.get(number)
        if record is None:
            raise Refused("not-found")
        shown = matcher.views.request(engine, record)
    await matcher.on_disk()
    return RequestView.model_validate(shown)


@router.get("/rfq", responses=_FAULTS, tags=["quotes"])
async def requests(matcher: TheMatcher, most: Annotated[int, Query(ge=1, le=1_000)] = 100) -> RequestsAnswer:
    """The newest requests for quotes first."""
    found = matcher.views.requests(most)
    await matcher.on_disk()
    return RequestsAnswer.model_validate({"requests": found})


@router.get("/receipts", tags=["orders"], dependencies=[Depends(_limited)])
async def receipts(
    matcher: TheMatcher,
    first: Annotated[int, Query(ge=1, description="Sequence number to begin with.")] = 1,
    most: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> ReceiptsAnswer:
    """The order of arrival as it was promised: whoever has a receipt finds it here, with the same running hash."""
    with matcher.sequencer.state() as engine:
        found = [one for one in engine.orders.values() if one.sequence >= first][:most]
        entries = [
            {"hash": one.hash, "sequence": one.sequence, "time": one.time, "chain": one.receipt} for one in found
        ]
    await matcher.on_disk()
    return ReceiptsAnswer.model_validate({"receipts": entries})


@router.get("/journal", tags=["orders"], dependencies=[Depends(_limited)])
async def journal(
    matcher: TheMatcher,
    first: Annotated[int, Query(ge=1, description="Number of the entry to begin with.")] = 1,
    most: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> JournalAnswer:
    """All that was decided, in order, signatures left out: whoever replays it comes to the same books.

    `ballast matcher audit` does.
    """
    length, entries = matcher.sequencer.page(first, most)
    return JournalAnswer(policy=matcher.sequencer.policy.value, length=length, entries=entries)


@router.get("/book/{instrument}", responses=_FAULTS, tags=["market data"])
async def book(
    instrument: Instrument, matcher: TheMatcher, depth: Annotated[int, Query(ge=1, le=1_000)] = 50
) -> BookAnswer:
    """Levels from the best, price and size."""
    number = matcher.views.names.instrument(instrument)
    levels = matcher.views.book(number, depth)
    await matcher.on_disk()
    return BookAnswer.model_validate({"instrument": instrument, **levels})


@router.get("/trades", responses=_FAULTS, tags=["market data"])
async def trades(
    matcher: TheMatcher,
    instrument: Annotated[str | None, Query(max_length=80, examples=["PERP:ETH"])] = None,
    most: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> TradesAnswer:
    """The newest first. A trade is crossed, then sent, then settled or dropped: only settled ones are on chain."""
    number = None if instrument is None else matcher.views.names.instrument(instrument)
    found = matcher.views.trades(number, most)
    await matcher.on_disk()
    return TradesAnswer.model_validate({"trades": found})


@router.get("/instruments", responses=_FAULTS, dependencies=[Depends(_limited)], tags=["market data"])
async def instruments(matcher: TheMatcher) -> InstrumentsAnswer:
    """What is listed on chain: step, mark, and how far from it a limit may be."""
    found = await matcher.ask(lambda admission: read_instruments(admission, matcher.views.names))
    return InstrumentsAnswer.model_validate({"instruments": found})


@router.get("/health", responses={503: {"model": HealthAnswer}}, tags=["operation"])
async def health(matcher: TheMatcher, response: Response) -> HealthAnswer:
    """503 where the matcher is stopping, or has not seen the chain for a minute."""
    found = HealthAnswer.model_validate(matcher.health())
    response.status_code = 200 if found.status == "ok" else 503
    return found


@router.get("/metrics", tags=["operation"], response_class=Response)
async def metrics(matcher: TheMatcher) -> Response:
    """For Prometheus."""
    with matcher.sequencer.state() as engine:
        matcher.metrics.observe(engine)
    return Response(generate_latest(matcher.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/problems/{code}", responses=_FAULTS, tags=["operation"])
async def problem(code: str) -> dict[str, Any]:
    """What a problem's code means."""
    if code not in PROBLEMS:
        raise Refused("not-found")
    status, title = PROBLEMS[code]
    return {"type": f"/problems/{code}", "code": code, "status": status, "title": title}


class LimitBody:
    """Refuses bodies larger than any order, declared or not, before anything looks at them."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        body = await self._read(receive) if declared.isdigit() and int(declared) <= self._largest else None
        if body is None:
            await _answer(Refused("too-large"))(scope, receive, send)
            return
        parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def buffered() -> Message:
            return parts.pop() if parts else await receive()

        await self._app(scope, buffered, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None where it is too large."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._largest:
                return None
            if not message.get("more_body", False):
                return body


def create_app(matcher: Matcher, limit: RateLimit) -> FastAPI:
    """The application that serves a matcher."""
    app = FastAPI(title="Ballast matcher", version=__version__, description=DESCRIPTION)
    app.state.matcher, app.state.limit = matcher, limit
    app.include_router(router)
    app.add_api_websocket_route("/ws", serve_socket)
    app.add_middleware(LimitBody)
    app.add_exception_handler(Refused, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_malformed)
    app.add_exception_handler(HTTPException, _on_http_fault)
    app.add_exception_handler(Exception, _on_fault)
    return app


def _answer(refusal: Refused) -> JSONResponse:
    body = {
        "type": f"/problems/{refusal.code}",
        "title": refusal.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        **refusal.values,
    }
    headers = {"Retry-After": "1"} if refusal.status in (429, 503) else None
    return JSONResponse(body, refusal.status, headers, PROBLEM_TYPE)


async def _on_refusal(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, Refused)
    if request.method == "POST":
        request.app.state.matcher.metrics.refused.labels(code=fault.code).inc()
    return _answer(fault)


async def _on_malformed(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, RequestValidationError)
    places = [".".join(map(str, error["loc"])) + ": " + error["msg"] for error in fault.errors()]
    return await _on_refusal(request, Refused("malformed", "; ".join(places[:5])))


async def _on_fault(request: Request, fault: Exception) -> Response:
    """Whatever was not foreseen: told without its inside, which is in the log."""
    log.error("request failed", path=request.url.path, fault=repr(fault))
    body = {"type": "about:blank", "title": "Internal Server Error", "status": 500}
    return JSONResponse(body, 500, media_type=PROBLEM_TYPE)


async def _on_http_fault(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)
    if fault.status_code == 404:
        return _answer(Refused("not-found"))
    body = {"type": "about:blank", "title": fault.detail, "status": fault.status_code}
    return JSONResponse(body, fault.status_code, media_type=PROBLEM_TYPE)
