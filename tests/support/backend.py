"""The builder's backend over the in-process EVM."""

from __future__ import annotations

from ballast.deployment.backend import CallReverted, RawLog, Receipt
from ballast.deployment.create2 import DETERMINISTIC_DEPLOYER, DETERMINISTIC_DEPLOYER_CODE
from tests.support.evm import Evm, Revert


class EvmBackend:
    """Every transaction is mined at once, in the block the EVM's clock shows."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self._receipts: list[Receipt] = []
        if not evm.code_at(DETERMINISTIC_DEPLOYER):
            evm.set_code(DETERMINISTIC_DEPLOYER, DETERMINISTIC_DEPLOYER_CODE)

    @property
    def chain_id(self) -> int:
        return self.evm.chain_id

    @property
    def deployer(self) -> str:
        return self.evm.deployer

    @property
    def transactions(self) -> int:
        """How many were sent so far."""
        return len(self._receipts)

    def block_number(self) -> int:
        return self.evm.number

    def code_at(self, address: str) -> bytes:
        return self.evm.code_at(address)

    def call(self, to: str, data: bytes, sender: str | None = None) -> bytes:
        return self._execute(sender, to, data, static=True)

    def submit(self, to: str, data: bytes, sender: str | None = None) -> str:
        self._execute(sender, to, data)
        transaction = f"0x{len(self._receipts):064x}"
        self._receipts.append(Receipt(transaction, self.evm.number, self.evm.last_gas, ()))
        return transaction

    def knows(self, transaction: str) -> bool:
        return int(transaction, 16) < len(self._receipts)

    def wait(self, transaction: str) -> Receipt:
        return self._receipts[int(transaction, 16)]

    def _execute(self, sender: str | None, to: str, data: bytes, static: bool = False) -> bytes:
        try:
            return self.evm.execute(sender or self.deployer, to, data, static=static)
        except Revert as revert:
            raise CallReverted(revert.output, str(revert)) from None

    def logs(self, address: str, topic: bytes, first_block: int) -> list[RawLog]:
        raise LookupError("the in-process EVM keeps no logs")
