"""Errors a user of Ballast meets. Each says what is wrong and, where something can be done, what to do."""

from typing import Any


class BallastError(Exception):
    """Base of all errors that are reported to a user without a traceback."""


class ConfigurationError(BallastError):
    """A setting is missing, malformed or contradicts another."""


class ChainError(BallastError):
    """The node answered something unusable, or did not answer."""


class ChainUnreachable(ChainError):
    """No answer after every retry. Nothing is known about the chain's state; callers must not assume any."""


class RequestRefused(ChainError):
    """The node answered with an error: `error` is what it told, with the data of a revert where there is one."""

    def __init__(self, method: str, error: Any) -> None:
        super().__init__(f"{method}: {error.get('message', error) if isinstance(error, dict) else error}")
        self.error = error

    @property
    def code(self) -> int | None:
        """JSON-RPC's number of the error, where the node tells one."""
        return self.error.get("code") if isinstance(self.error, dict) else None


class ReorganisedBelow(ChainError):
    """The chain no longer holds the block that was processed last: everything above `number` must be undone."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the chain was reorganised below block {number}")
        self.number = number


class TransactionFailed(ChainError):
    """A transaction was mined with status 0, or its simulation reverted."""

    def __init__(self, what: str, reason: str, transaction_hash: str | None = None) -> None:
        super().__init__(f"{what}: {reason}" + (f" ({transaction_hash})" if transaction_hash else ""))
        self.reason = reason
        self.transaction_hash = transaction_hash
