"""An EVM in this process: thousands of acts a second, real contracts, typed reverts.

Its state and its results are right, its gas is not: storage once touched stays warm over transactions. Gas is measured
on Anvil (`./dev bench gas`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pyrevm
from eth_utils import keccak, to_checksum_address

from ballast.chain import codec
from ballast.chain.artifacts import checkout_root, load_artifacts

ROOT = checkout_root(Path(__file__).parent)
BLOCK_TIME = 12
GENESIS_TIME = 1_700_000_000
BLOCK_GAS_LIMIT = 60_000_000
_REVERT = re.compile(r"Revert \{ gas_used: (\d+), output: 0x([0-9a-fA-F]*) \}")
_HALT = re.compile(r"(?:Halt \{ reason: |Transaction\()(\w+)")
_SOLADY_ERROR = re.compile(r"^ {4}error (\w+)\(\);", re.MULTILINE)
_PANIC, _ERROR = keccak(text="Panic(uint256)")[:4], keccak(text="Error(string)")[:4]


class Revert(Exception):
    """A call reverted. `name` is the typed error's name, `arguments` its values by name, `output` what it returned."""

    def __init__(self, name: str, arguments: Any = (), output: bytes = b"") -> None:
        super().__init__(f"{name}{arguments!r}")
        self.name = name
        self.arguments = arguments
        self.output = output


@contextmanager
def reverts(name: str, /, **expected: Any) -> Iterator[None]:
    """Asserts that the block reverts with the typed error `name`, carrying the `expected` values."""
    try:
        yield
    except Revert as revert:
        assert revert.name == name, f"reverted with {revert}, not {name}"
        for key, value in expected.items():
            actual = getattr(revert.arguments, key)
            assert actual == value, f"{name}.{key} is {actual}, not {value}"
        return
    raise AssertionError(f"did not revert; {name} was expected")


@dataclass(frozen=True)
class Log:
    """One decoded event."""

    address: str
    name: str
    arguments: codec.Record


@dataclass(frozen=True)
class Receipt:
    """One executed transaction."""

    result: Any
    logs: tuple[Log, ...]
    gas_used: int

    def events(self, name: str) -> list[codec.Record]:
        return [log.arguments for log in self.logs if log.name == name]


@cache
def _errors() -> dict[bytes, Any]:
    entries = [entry for artifact in load_artifacts(ROOT).values() for entry in artifact.abi]
    return _solady_errors() | {codec.selector_of(entry): entry for entry in entries if entry["type"] == "error"}


def _solady_errors() -> dict[bytes, Any]:
    """Solady reverts from assembly, which puts no error into the ABI of the contract that calls it."""
    sources = (ROOT / "node_modules" / "solady" / "src" / "utils").glob("*.sol")
    names = {name for source in sources for name in _SOLADY_ERROR.findall(source.read_text())}
    return {keccak(text=f"{name}()")[:4]: {"type": "error", "name": name, "inputs": []} for name in names}


@cache
def _events() -> dict[tuple[bytes, int], Any]:
    """By topic and number of topics: the same signature may index different arguments elsewhere."""
    entries = [entry for artifact in load_artifacts(ROOT).values() for entry in artifact.abi]
    events = [entry for entry in entries if entry["type"] == "event"]
    return {(keccak(text=codec.signature_of(event)), 1 + _indexed(event)): event for event in events}


def _indexed(event: Any) -> int:
    return sum(item["indexed"] for item in event["inputs"])


def decode_revert(output: bytes) -> Revert:
    """The typed error in a revert's output; Panic and Error(string) by their own names."""
    head, body = output[:4], output[4:]
    if head == _PANIC:
        return Revert("Panic", codec.Record(["code"], [int.from_bytes(body, "big")]), output)
    if head == _ERROR:
        return Revert("Error", codec.decode_arguments([{"name": "message", "type": "string"}], body), output)
    entry = _errors().get(head)
    if entry is None:
        return Revert("Unknown" if output else "Empty", codec.Record(["output"], [output]), output)
    return Revert(entry["name"], codec.decode_arguments(entry["inputs"], body), output)


def decode_log(address: str, topics: list[bytes], data: bytes) -> Log | None:
    """A log by its event's name; None where no contract of ours has the event."""
    entry = _events().get((topics[0], len(topics))) if topics else None
    return Log(address, entry["name"], codec.decode_log(entry, topics, data)) if entry is not None else None


def address_of(role: str) -> str:
    """A stable address for a role without a key."""
    return to_checksum_address(keccak(text=role)[-20:])


class Chain(Protocol):
    """What drivers of a system need of its chain: this EVM, or a node (`tests.support.node`)."""

    chain_id: int
    timestamp: int

    @property
    def deployer(self) -> str: ...

    @property
    def last_gas(self) -> int: ...

    def last_logs(self) -> tuple[Log, ...]: ...

    def execute(self, sender: str, to: str, data: bytes, value: int = 0, static: bool = False) -> bytes: ...

    def views(self, to: str, calls: Sequence[bytes]) -> list[bytes]: ...

    def advance(self, seconds: int = BLOCK_TIME) -> None: ...

    def contract(self, name: str, address: str) -> Contract: ...


class Contract:
    """A deployed contract, its functions called by name."""

    def __init__(self, evm: Chain, name: str, address: str) -> None:
        self.evm, self.name, self.address = evm, name, to_checksum_address(address)
        self.abi = load_artifacts(ROOT)[name].abi if name in load_artifacts(ROOT) else []

    def call(self, function: str, *arguments: Any, sender: str | None = None) -> Any:
        """A view; leaves no trace."""
        data = codec.encode_call(self.abi, function, arguments)
        output = self.evm.execute(sender or self.evm.deployer, self.address, data, static=True)
        return codec.decode_result(self.abi, function, len(arguments), output)

    def call_each(self, function: str, arguments: Iterable[Any]) -> list[Any]:
        """A view of one argument for each of several, in one round trip where the chain is a node."""
        calls = [codec.encode_call(self.abi, function, [argument]) for argument in arguments]
        return [codec.decode_result(self.abi, function, 1, output) for output in self.evm.views(self.address, calls)]

    def transact(self, function: str, *arguments: Any, sender: str | None = None, value: int = 0) -> Receipt:
        """A transaction of its own, in a block of its own unless the clock stands still."""
        data = codec.encode_call(self.abi, function, arguments)
        output = self.evm.execute(sender or self.evm.deployer, self.address, data, value=value)
        outputs = codec.find(self.abi, "function", function, len(arguments))["outputs"]
        result = codec.decode_result(self.abi, function, len(arguments), output) if outputs and output else None
        return Receipt(result, self.evm.last_logs(), self.evm.last_gas)


class Evm:
    """One chain in memory."""

    def __init__(self, chain_id: int = 1) -> None:
        environment = pyrevm.Env(cfg=pyrevm.CfgEnv(chain_id=chain_id))
        self._revm = pyrevm.EVM(env=environment, gas_limit=BLOCK_GAS_LIMIT, spec_id="CANCUN")
        self.chain_id = chain_id
        self.number, self.timestamp = 1, GENESIS_TIME
        self.deployer = self.address_of("deployer")
        self._accounts = 0
        self._replaced: list[tuple[str, pyrevm.AccountInfo]] = []
        self._set_block()

    address_of = staticmethod(address_of)

    def deploy(self, name: str, *arguments: Any, sender: str | None = None) -> Contract:
        artifact = load_artifacts(ROOT)[name]
        code = artifact.bytecode + codec.encode_constructor(artifact.abi, arguments)
        self._revm.reset_transient_storage()
        try:
            address = self._revm.deploy(sender or self.deployer, code)
        except RuntimeError as fault:
            raise self._revert(fault) from None
        return Contract(self, name, address)

    def contract(self, name: str, address: str) -> Contract:
        return Contract(self, name, address)

    def code_at(self, address: str) -> bytes:
        return bytes(self._revm.get_code(address) or b"")

    def set_code(self, address: str, code: bytes) -> None:
        """Replaces a contract's code and leaves its storage alone."""
        self._replaced.append((address, self._revm.basic(address)))
        self._revm.insert_account_info(address, pyrevm.AccountInfo(code=code))

    def execute(self, sender: str, to: str, data: bytes, value: int = 0, static: bool = False) -> bytes:
        """One message as a transaction of its own: transient storage starts empty."""
        self._revm.reset_transient_storage()
        try:
            return bytes(self._revm.message_call(sender, to, calldata=data, value=value, is_static=static))
        except RuntimeError as fault:
            raise self._revert(fault) from None

    def views(self, to: str, calls: Sequence[bytes]) -> list[bytes]:
        return [self.execute(self.deployer, to, data, static=True) for data in calls]

    def storage_at(self, address: str, slot: int) -> int:
        return int(self._revm.storage(address, slot) or 0)

    def write_storage(self, address: str, slot: int, value: int) -> None:
        """Changes a slot by hand, to make what no act makes."""
        self._revm.insert_account_storage(address, slot, value)

    @property
    def last_gas(self) -> int:
        return int(self._revm.result.gas_used)

    def last_logs(self) -> tuple[Log, ...]:
        found = []
        for log in self._revm.result.logs:
            topics = [bytes.fromhex(topic.removeprefix("0x")) for topic in log.topics]
            data = log.data[1] if isinstance(log.data, tuple) else log.data
            found.append(decode_log(log.address, topics, bytes(data)))
        return tuple(log for log in found if log is not None)

    def advance(self, seconds: int = BLOCK_TIME, blocks: int = 1) -> None:
        """Moves the clock and the block number."""
        self.timestamp += seconds
        self.number += blocks
        self._set_block()

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Undoes everything the block did, the clock included."""
        mark, number, timestamp = self._revm.snapshot(), self.number, self.timestamp
        replaced = len(self._replaced)
        try:
            yield
        finally:
            self._revm.revert(mark)
            while len(self._replaced) > replaced:  # the snapshot does not hold code
                self._revm.insert_account_info(*self._replaced.pop())
            self.number, self.timestamp = number, timestamp
            self._set_block()

    def _set_block(self) -> None:
        self._revm.set_block_env(
            pyrevm.BlockEnv(number=self.number, timestamp=self.timestamp, basefee=0, gas_limit=BLOCK_GAS_LIMIT)
        )

    def _revert(self, fault: RuntimeError) -> Revert:
        """By the contract's typed error; else by why the EVM gave up: `OutOfGas`, `RejectCallerWithCode`…"""
        if reverted := _REVERT.search(str(fault)):
            return decode_revert(bytes.fromhex(reverted[2]))
        halted = _HALT.search(str(fault))
        return Revert(halted[1] if halted else str(fault))
