"""What roles do to a system that stands: each act announced, waited for and done, as far as it can go by now.

An operation is a list of steps like a deployment's, taken up from the chain's state whenever it is run: what is done is
left alone, what is announced is waited for, what is ready is done, what is missing is announced. Nothing is remembered
elsewhere, so that it may be stopped anywhere and run again by anybody who holds the roles.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ballast.deployment.access import AUTHORITY, RoleState, read_roles, role_name
from ballast.deployment.backend import CallReverted
from ballast.deployment.builder import Builder
from ballast.deployment.contract import Contract
from ballast.deployment.plan import (
    ABSENT,
    Creation,
    Requirement,
    RequirementUnmet,
    Setting,
    Step,
    StepWithoutEffect,
    Transaction,
    is_done,
)
from ballast.deployment.roles import RESTRICTED, RoleId
from ballast.deployment.rpc import RpcBackend, SimulatedCall
from ballast.errors import BallastError, ConfigurationError

ALLOW_EVERYTHING = bytes.fromhex("600160005260406000f3")
"""Code of an access manager that answers (true, 0) to whoever asks: in a simulation every delay has passed."""
GRANTS = ("grantRole", "revokeRole")
NOBODY = ""


class OperationRefused(BallastError):
    """The operation cannot go through; nothing was sent. The message says what to do."""


class OtherDeployment(ConfigurationError):
    """What the code here would deploy is not what stands."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        super().__init__(
            f"the contracts here are not those that were deployed ({', '.join(names)}): check out the commit that was, "
            "and take its configuration"
        )


class TransactionsUnderWay(BallastError):
    """An account has sent what is not mined yet: an earlier run's, perhaps."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(f"{account} has transactions under way: run again once they are mined")


class Phase(StrEnum):
    """Where a step stands, and so what comes next."""

    DONE = "done"
    CREATE = "create"
    CALL = "call"
    ANNOUNCE = "announce"
    WAIT = "wait"
    EXECUTE = "execute"
    NEED = "need"


SENDING = (Phase.CREATE, Phase.CALL, Phase.ANNOUNCE, Phase.EXECUTE)


@dataclass(frozen=True)
class Standing:
    """One step as the chain has it.

    Attributes:
        role: Whose act it is; empty where anybody may, or somebody outside.
        holder: Who acts: who announced it, else a holder who can sign here, else any holder.
        delay: Seconds between announcing and doing.
        ready_at: Unix second from which it can be done, were it announced now.
        transaction: What `holder` sends next; None where nothing is to be sent.
    """

    step: Step
    phase: Phase
    role: str = NOBODY
    holder: str = NOBODY
    delay: int = 0
    ready_at: int = 0
    transaction: Transaction | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Operation:
    """Steps in the order in which they must be done; they are announced together.

    Attributes:
        name: As it is called on the command line.
        judged_when_done: Whether a simulation takes place when the last delay is over, not now. Prices are those of now
            in either case: what reads them is judged now.
        notes: What whoever runs it should know.
        last_to_do: What stands as late as this, Unix seconds, cannot be done any more; 0 for no such time.
    """

    name: str
    steps: Sequence[Step]
    judged_when_done: bool = False
    notes: Sequence[str] = ()
    last_to_do: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a run came."""

    standings: Sequence[Standing]
    sent: int

    @property
    def is_done(self) -> bool:
        return all(standing.phase is Phase.DONE for standing in self.standings)

    @property
    def next_at(self) -> int:
        """Unix second of the next delay's end; 0 where no delay runs."""
        return min((one.ready_at for one in self.standings if one.phase is Phase.WAIT), default=0)


class Governor:
    """Runs operations on a deployment.

    Args:
        builder: Made with the configuration and the record of what stands.
        first_block: No event of the deployment is older.
        sender: Signs and sends; None where nothing is to be sent.
        accounts: Who can sign there; None where the node holds everybody's key.

    Raises:
        OtherDeployment: The code here is not what stands.
    """

    def __init__(
        self,
        builder: Builder,
        addresses: Mapping[str, str],
        first_block: int,
        sender: RpcBackend | None = None,
        accounts: Collection[str] | None = None,
    ) -> None:
        others = [name for name in (*RESTRICTED, AUTHORITY) if builder.contracts[name].address != addresses.get(name)]
        if others:
            raise OtherDeployment(others)
        self.builder, self._first_block = builder, first_block
        self._sender, self._accounts = sender, accounts
        self._chain = sender if sender is not None else _rpc(builder)
        self.authority: Contract = builder.contracts[AUTHORITY]
        self._roles: Mapping[int, RoleState] = {}

    # Where things stand ----------------------------------------------------------------------------------------

    def survey(self, operation: Operation) -> list[Standing]:
        """Every step as it is now. Sends nothing."""
        self._roles = read_roles(self.builder, self._first_block)
        return [self._stand(step) for step in operation.steps]

    def _stand(self, step: Step) -> Standing:
        if is_done(step):
            return Standing(step, Phase.DONE)
        if isinstance(step, Setting):
            return self._stand_of_act(step)
        if isinstance(step, Creation):
            sender = next(iter(self._accounts), NOBODY) if self._accounts else self.builder.backend.deployer
            return Standing(step, Phase.CREATE, holder=sender, ready_at=self._now(), transaction=step.transaction)
        return Standing(step, Phase.NEED)

    def _stand_of_act(self, step: Setting) -> Standing:
        role, members = self._who_may(step)
        for holder in members:
            if ready_at := self.authority.call("getSchedule", self._operation_id(holder, step)):
                phase = Phase.EXECUTE if ready_at <= self._now() else Phase.WAIT
                return Standing(step, phase, role, holder, members[holder], ready_at, self._through(step, "execute"))
        holder = next((one for one in members if self._can_sign(one)), next(iter(members), NOBODY))
        if not holder:
            raise OperationRefused(f"{step.name}: nobody holds the role {role}; governance must grant it first")
        delay = members[holder]
        if delay == 0:
            return Standing(step, Phase.CALL, role, holder, 0, self._now(), step.transaction)
        announcing = self._through(step, "schedule", 0)
        return Standing(step, Phase.ANNOUNCE, role, holder, delay, self._now() + delay, announcing)

    def _who_may(self, step: Setting) -> tuple[str, Mapping[str, int]]:
        """Name of the role that may do it, and delay by holder."""
        if step.contract.address != self.authority.address:
            if self.authority.call("isTargetClosed", step.contract):
                raise OperationRefused(f"{step.name}: the access manager lets nobody call {step.contract.name}")
            selector = step.contract.selector(step.function)
            role = self.authority.call("getTargetFunctionRole", step.contract, selector)
        elif step.function == "cancel":
            return "who announced it, or governance", dict.fromkeys([step.arguments[0], *self._members(0)], 0)
        else:
            role = self._roles[step.arguments[0]].admin if step.function in GRANTS else int(RoleId.GOVERNANCE)
        return role_name(role), self._members(role)

    def _members(self, role: int) -> Mapping[str, int]:
        return self._roles[role].members if role in self._roles else {}

    def _operation_id(self, caller: str, step: Setting) -> bytes:
        return bytes(self.authority.call("hashOperation", caller, step.contract, step.transaction.data))

    def _through(self, step: Setting, function: str, *arguments: int) -> Transaction:
        """The step by way of the access manager."""
        data = self.authority.encode(function, step.contract, step.transaction.data, *arguments)
        return Transaction(self.authority.address, data)

    def _can_sign(self, account: str) -> bool:
        return self._accounts is None or account in self._accounts

    def _now(self) -> int:
        return self._chain.timestamp()

    # What would happen -----------------------------------------------------------------------------------------

    def judge(self, operation: Operation, standings: Sequence[Standing]) -> None:
        """Simulates every step that is not done, in order, delays taken as passed. Sends nothing.

        Raises:
            OperationRefused: A contract would refuse, or time does not suffice.
            RequirementUnmet: Something outside is not as it must be before anything is announced.
        """
        for standing in standings:
            if _blocks_announcing(standing) and (actual := standing.step.actual()) is not ABSENT:
                raise RequirementUnmet(standing.step, actual)
        ahead = [standing for standing in standings if standing.phase not in (Phase.DONE, Phase.NEED)]
        self._judge_time(operation, ahead)
        own = [standing for standing in ahead if self._is_of_authority(standing.step)]
        others = [standing for standing in ahead if not self._is_of_authority(standing.step)]
        now = self._now() + 1
        done_at = max([now, *(standing.ready_at for standing in others)]) if operation.judged_when_done else now
        calls = [self._as_call(standing, done_at) for standing in others]
        self._refuse_failures(others, calls, {self.authority.address: ALLOW_EVERYTHING})
        own_calls = [call for standing in own for call in self._path(standing, now)]
        self._refuse_failures([one for one in own for _ in self._path(one, now)], own_calls, {})

    def _judge_time(self, operation: Operation, ahead: Sequence[Standing]) -> None:
        latest = max((standing.ready_at for standing in ahead), default=0)
        if operation.last_to_do and latest > operation.last_to_do:
            late = latest - operation.last_to_do
            raise OperationRefused(f"{operation.name}: the delays end {late} s too late for it; take a later date")

    def _is_of_authority(self, step: Step) -> bool:
        return isinstance(step, Setting) and step.contract.address == self.authority.address

    def _as_call(self, standing: Standing, timestamp: int) -> SimulatedCall:
        sent = standing.step.transaction
        assert sent is not None, "what is needed from outside is not simulated"
        return SimulatedCall(standing.holder, sent.to, sent.data, timestamp)

    def _path(self, standing: Standing, now: int) -> list[SimulatedCall]:
        """Through the access manager as it is: announced where it is not yet, then done when it is ready."""
        step = standing.step
        assert isinstance(step, Setting), "the access manager is only set"
        if standing.phase is Phase.CALL:
            return [self._as_call(standing, now)]
        doing = self._through(step, "execute")
        path = [SimulatedCall(standing.holder, doing.to, doing.data, max(now + 1, standing.ready_at + 1))]
        if standing.phase is Phase.ANNOUNCE:
            announcing = self._through(step, "schedule", 0)
            path.insert(0, SimulatedCall(standing.holder, announcing.to, announcing.data, now))
        return path

    def _refuse_failures(
        self, standings: Sequence[Standing], calls: Sequence[SimulatedCall], code: Mapping[str, bytes]
    ) -> None:
        ordered = sorted(range(len(calls)), key=lambda place: calls[place].timestamp)
        outcomes = self._chain.simulate([calls[place] for place in ordered], code) if calls else []
        for place, reverted in zip(ordered, outcomes, strict=True):
            if reverted is not None:
                step = standings[place].step
                raise OperationRefused(f"{step.name} would be refused: {_reason(step, reverted)}")

    # Doing it --------------------------------------------------------------------------------------------------

    def run(self, operation: Operation, tell: Callable[[str, Standing], None] | None = None) -> Progress:
        """Goes as far as possible now: announces what is not, does what is ready and whose turn it is.

        Args:
            tell: Told of each act once it is mined: `announced` or `done`.

        Raises:
            OperationRefused: It cannot go through; nothing was sent.
            RequirementUnmet: Something outside is not as it must be before anything is announced.
            TransactionsUnderWay: Of an account that has to send.
            StepWithoutEffect: A step was mined in vain.
            Reverted: A contract refused after all.
        """
        standings = self.survey(operation)
        if any(one.phase in (*SENDING, Phase.NEED) for one in standings):
            self.judge(operation, standings)
        self._refuse_while_under_way(standings)
        sent, is_clear = 0, True
        for place in range(len(standings)):
            if sent:
                standings[place] = self._stand(standings[place].step)
            standing = standings[place]
            if standing.phase is Phase.ANNOUNCE and self._can_sign(standing.holder):
                standings[place] = self._announce(standing, tell)
                sent += 1
            elif standing.phase in SENDING and is_clear and self._can_sign(standing.holder):
                standings[place] = self._do(standing, tell)
                sent += 1
            if _blocks_announcing(standings[place]):
                break
            is_clear = is_clear and standings[place].phase is Phase.DONE
        return Progress(standings, sent)

    def _refuse_while_under_way(self, standings: Sequence[Standing]) -> None:
        senders = {one.holder for one in standings if one.phase in SENDING and self._can_sign(one.holder)}
        for account in sorted(senders):
            if self._chain.has_pending(account):
                raise TransactionsUnderWay(account)

    def _announce(self, standing: Standing, tell: Callable[[str, Standing], None] | None) -> Standing:
        self._send(standing)
        announced = self._stand(standing.step)
        if announced.phase not in (Phase.WAIT, Phase.EXECUTE):
            raise StepWithoutEffect(standing.step, announced.phase)
        if tell:
            tell("announced", announced)
        return announced

    def _do(self, standing: Standing, tell: Callable[[str, Standing], None] | None) -> Standing:
        self._send(standing)
        if not is_done(standing.step):
            raise StepWithoutEffect(standing.step, standing.step.actual())
        if tell:
            tell("done", standing)
        return Standing(standing.step, Phase.DONE)

    def _send(self, standing: Standing) -> None:
        assert self._sender is not None and standing.transaction is not None, "a reading governor sends nothing"
        sent = standing.transaction
        try:
            self._sender.wait(self._sender.submit(sent.to, sent.data, standing.holder))
        except CallReverted as reverted:
            raise standing.step.explain(reverted) from None


def _blocks_announcing(standing: Standing) -> bool:
    step = standing.step
    return standing.phase is Phase.NEED and not (isinstance(step, Requirement) and step.may_follow)


def _reason(step: Step, reverted: CallReverted) -> str:
    return str(step.explain(reverted)).removeprefix(f"{step.name}: ")


def _rpc(builder: Builder) -> RpcBackend:
    backend = builder.backend
    assert isinstance(backend, RpcBackend), "operations are simulated by a node"
    return backend
