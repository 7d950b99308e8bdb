"""A deployment as a list of steps, each of which can say whether the chain already is as it should be.

The same steps deploy (send what is not yet so), resume (send the rest), make a dry run (send nothing) and verify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

from ballast.chain import codec
from ballast.deployment.backend import Backend, CallReverted, Receipt
from ballast.deployment.contract import Contract, Reverted
from ballast.deployment.create2 import DETERMINISTIC_DEPLOYER
from ballast.errors import BallastError


class Absent(Enum):
    """The contract that would answer is not there yet."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


class StepWithoutEffect(BallastError):
    """A step's transaction was mined and the chain still is not as it should be."""

    def __init__(self, step: Step, actual: Any) -> None:
        self.step, self.actual = step, actual
        super().__init__(f"{step.name}: mined, yet the chain holds {actual!r} instead of {step.expected!r}")


class DeployerMissing(BallastError):
    """The chain does not carry the deterministic deployer."""

    def __init__(self, chain_id: int) -> None:
        self.chain_id = chain_id
        super().__init__(f"chain {chain_id} has no deterministic deployer at {DETERMINISTIC_DEPLOYER}")


class RequirementUnmet(BallastError):
    """The deployment cannot go on before the world is as the configuration says; it can be resumed then."""

    def __init__(self, step: Step, actual: Any) -> None:
        self.step, self.actual = step, actual
        super().__init__(f"{step.name}: expected {step.expected!r}, found {actual!r}; {step.describe()}")


@dataclass(frozen=True)
class Transaction:
    """A call to send."""

    to: str
    data: bytes = field(repr=False)


class Step(Protocol):
    """Something that must be true of the chain, and the transaction that makes it so."""

    @property
    def name(self) -> str: ...

    @property
    def expected(self) -> Any: ...

    @property
    def transaction(self) -> Transaction | None:
        """What makes it so; None for what a deployment can only require."""
        ...

    def actual(self) -> Any:
        """What the chain holds now; `ABSENT` while the contract in question does not exist."""
        ...

    def describe(self) -> str:
        """The transaction, or what somebody else has to do, in a line."""
        ...

    def explain(self, reverted: CallReverted) -> Exception:
        """The error of a transaction that reverted."""
        ...


@dataclass(frozen=True)
class Creation:
    """Makes a contract. Its address holds code only if it is this code with these arguments."""

    contract: Contract
    artifact: str
    arguments: tuple[Any, ...]
    salt: bytes
    creation_code: bytes = field(repr=False)

    @property
    def name(self) -> str:
        return f"create {self.contract.name}"

    @property
    def expected(self) -> str:
        return self.contract.address

    @cached_property
    def transaction(self) -> Transaction:
        return Transaction(DETERMINISTIC_DEPLOYER, self.salt + self.creation_code)

    def actual(self) -> Any:
        return self.contract.address if self.contract.backend.code_at(self.contract.address) else ABSENT

    def describe(self) -> str:
        return f"{self.artifact}({_listed(self.arguments)}) at {self.contract.address}"

    def explain(self, reverted: CallReverted) -> Exception:
        return BallastError(f"{self.name}: the constructor refused ({reverted})")


@dataclass(frozen=True)
class Setting:
    """Sets something that can be read back."""

    name: str
    contract: Contract
    function: str
    arguments: tuple[Any, ...]
    read: Callable[[], Any] = field(repr=False, compare=False)
    expected: Any

    @cached_property
    def transaction(self) -> Transaction:
        return Transaction(self.contract.address, self.contract.encode(self.function, *self.arguments))

    def actual(self) -> Any:
        return _read(self.contract, self.read)

    def describe(self) -> str:
        return f"{self.contract.name}.{self.function}({_listed(self.arguments)})"

    def explain(self, reverted: CallReverted) -> Exception:
        return self.contract.errors.explain(self.name, reverted)


@dataclass(frozen=True)
class Requirement:
    """Something a deployment relies on and cannot bring about itself.

    Attributes:
        remedy: What to do where it is not so.
        may_follow: Whether what comes after it may be announced, if not done, before it is so.
    """

    name: str
    contract: Contract
    expected: Any
    read: Callable[[], Any] = field(repr=False, compare=False)
    remedy: str
    may_follow: bool = False

    transaction = None

    def actual(self) -> Any:
        return _read(self.contract, self.read)

    def describe(self) -> str:
        return self.remedy

    def explain(self, reverted: CallReverted) -> Exception:
        return self.contract.errors.explain(self.name, reverted)


def _read(contract: Contract, read: Callable[[], Any]) -> Any:
    """What a contract answers; the name of its error where it has no answer yet."""
    if not contract.backend.code_at(contract.address):
        return ABSENT
    try:
        return comparable(read())
    except Reverted as refusal:
        return refusal.error


def comparable(value: Any) -> Any:
    """Contracts as addresses, sequences as tuples and records as mappings: what was read then equals what was meant."""
    if isinstance(value, Contract):
        return value.address
    if isinstance(value, codec.Record) and value.names and all(value.names):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {key: comparable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return tuple(comparable(entry) for entry in value)
    return value


def is_done(step: Step) -> bool:
    return bool(step.actual() == comparable(step.expected))


def plan_hash(steps: Iterable[Step]) -> str:
    """Changes with anything that a deployment would send."""
    digest = sha256()
    for step in steps:
        sent = step.transaction or Transaction("", b"")
        digest.update(sha256(step.name.encode() + sent.to.encode() + sent.data).digest())
    return digest.hexdigest()


class Witness(Protocol):
    """Keeps a record of what was sent, and is told of every step."""

    def sent_before(self, step: Step) -> str | None:
        """Hash of a transaction sent for this step whose outcome was never seen."""
        ...

    def sent(self, step: Step, transaction: str) -> None: ...

    def mined(self, step: Step, receipt: Receipt) -> None: ...

    def found_done(self, step: Step) -> None: ...


def execute(
    backend: Backend, steps: Sequence[Step], witness: Witness, fulfil: Callable[[Step], None] | None = None
) -> None:
    """Brings the chain to where every step is done, in order, sending only what is missing.

    Args:
        fulfil: Called with a requirement that is not met, to meet it where the caller can.

    Raises:
        DeployerMissing: The chain cannot create contracts at known addresses.
        RequirementUnmet: Something only others can bring about is missing.
        StepWithoutEffect: A step was mined in vain.
        Reverted: A contract refused a step.
    """
    if not backend.code_at(DETERMINISTIC_DEPLOYER):
        raise DeployerMissing(backend.chain_id)
    for step in steps:
        _await_earlier(backend, step, witness)
        if is_done(step):
            witness.found_done(step)
            continue
        if step.transaction is not None:
            _send(backend, step, step.transaction, witness)
        elif fulfil is not None:
            fulfil(step)
        if not is_done(step):
            raise (StepWithoutEffect if step.transaction else RequirementUnmet)(step, step.actual())


def _await_earlier(backend: Backend, step: Step, witness: Witness) -> None:
    """A run that died between sending and seeing leaves a transaction in flight: it must land before we judge."""
    earlier = witness.sent_before(step)
    if earlier is not None and backend.knows(earlier):
        with suppress(CallReverted):
            witness.mined(step, backend.wait(earlier))


def _send(backend: Backend, step: Step, transaction: Transaction, witness: Witness) -> None:
    try:
        sent = backend.submit(transaction.to, transaction.data)
        witness.sent(step, sent)
        witness.mined(step, backend.wait(sent))
    except CallReverted as reverted:
        raise step.explain(reverted) from None


def _listed(arguments: Iterable[Any]) -> str:
    return ", ".join(_shown(argument) for argument in arguments)


def _shown(value: Any) -> str:
    if isinstance(value, Contract):
        return value.name
    if isinstance(value, bytes):
        return f"0x{value[:8].hex()}…({len(value)} bytes)" if len(value) > 32 else f"0x{value.hex()}"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key}={_shown(entry)}" for key, entry in value.items()) + ")"
    if isinstance(value, list | tuple):
        return f"({_listed(value)})"
    return str(value)
