"""Why an order is not taken: stable codes, each with its HTTP status and what it means."""

from __future__ import annotations

from typing import Any

from ballast.chain.orders import DeadReason
from ballast.errors import BallastError

_UNPROCESSABLE, _CONFLICT, _FORBIDDEN, _NOT_FOUND = 422, 409, 403, 404
_TOO_LARGE, _TOO_MANY, _UNAVAILABLE = 413, 429, 503

PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed": (_UNPROCESSABLE, "The request is not what the endpoint takes."),
    "other-exchange": (_UNPROCESSABLE, "The order is for another exchange or another chain."),
    "hash-mismatch": (_UNPROCESSABLE, "The order is not the one that its hash names."),
    "bad-signature": (_FORBIDDEN, "The signature is not the signer's."),
    "not-authorised": (_FORBIDDEN, "Only the account's owner and the order's signer may withdraw it."),
    "unsupported-terms": (_UNPROCESSABLE, "Flags, legs or trigger make no order that rests in a book."),
    "instrument-not-listed": (_UNPROCESSABLE, "There is no such instrument."),
    "instrument-expired": (_UNPROCESSABLE, "The instrument does not trade any more."),
    "instrument-reduce-only": (_CONFLICT, "The instrument can only be closed: set the reduce-only flag."),
    "size-step": (_UNPROCESSABLE, "The size is 0 or not a multiple of the instrument's step."),
    "price-band": (_CONFLICT, "The limit is further from mark than any fill may be."),
    "fee-above-maximum": (_UNPROCESSABLE, "The exchange's fee is higher than the order accepts."),
    "oracle-not-usable": (_CONFLICT, "The price of the underlying, or the account's margin, cannot be told now."),
    "nothing-to-reduce": (_CONFLICT, "Reduce-only, and the account has no such position to reduce."),
    "account-in-liquidation": (_CONFLICT, "The account is in liquidation."),
    "account-bound": (_CONFLICT, "The isolated account holds another underlying."),
    "margin": (_CONFLICT, "With the order filled, and what else the account has open, its margin would not suffice."),
    "already-known": (_CONFLICT, "This order is or was here."),
    "nonce-in-use": (_CONFLICT, "Another order of the account with this nonce is alive or was filled."),
    "post-only": (_CONFLICT, "Post-only, and it would take."),
    "unfillable": (_CONFLICT, "Fill-or-kill, and the book has too little."),
    "self-trade": (_CONFLICT, "It would trade with an order of the same owner."),
    "other-legs": (_UNPROCESSABLE, "The orders are not against the legs that were asked about, all of them."),
    "request-over": (_CONFLICT, "The request for quotes takes none any more."),
    "no-quote": (_CONFLICT, "No quote is within the orders' limits."),
    "too-many-orders": (_TOO_MANY, "The account has as many orders here as one may have."),
    "too-many-requests": (_TOO_MANY, "Slow down."),
    "too-large": (_TOO_LARGE, "The request is larger than any order."),
    "not-found": (_NOT_FOUND, "There is no such thing here."),
    "chain-unavailable": (_UNAVAILABLE, "The chain cannot be read now; nothing was taken."),
    "not-recorded": (_UNAVAILABLE, "The journal cannot be written: what was asked may have happened or not."),
    "closing": (_UNAVAILABLE, "The matcher is stopping; nothing was taken."),
} | {
    reason.name.lower().replace("_", "-"): (_CONFLICT, text)
    for reason, text in {
        DeadReason.EXPIRED: "The order's time is over.",
        DeadReason.CANCELLED: "The order was cancelled on chain.",
        DeadReason.OTHER_EPOCH: "The account's epoch is another: all orders signed before were cancelled.",
        DeadReason.NONCE_TAKEN: "Another order used the nonce.",
        DeadReason.FILLED: "The nonce is used up.",
        DeadReason.SIGNER_NOT_AUTHORISED: "The signer is neither the account's owner nor a delegate.",
        DeadReason.SIGNATURE_REFUSED: "The signing contract refuses the signature.",
        DeadReason.OWNER_SILENT: "The account's dead-man switch has fired.",
        DeadReason.GROUP_TAKEN: "Another order of its group was filled.",
        DeadReason.NOT_ARMED: "The trigger was not armed yet: arm it on chain, then bring it.",
    }.items()
}


class Refused(BallastError):
    """A request is not granted.

    Attributes:
        code: A key of `PROBLEMS`; it never changes its meaning.
        values: What explains it, as they go into the answer.
    """

    def __init__(self, code: str, detail: str = "", **values: Any) -> None:
        self.code, self.values = code, values
        self.status, self.title = PROBLEMS[code]
        self.detail = detail or self.title
        super().__init__(f"{code}: {self.detail}")
