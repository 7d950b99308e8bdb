"""Claims of who bore a socialised loss: what the clearinghouse's `Claims` keeps, in the same integers.

A loss that nobody pays cuts the supply index, and every positive cash balance with it. Each supply share then has claim
units, of which each stands for `remaining`; income of the insurance fund lowers `remaining` for all. Sums a share by
epoch tell what any balance lost that was held from one epoch to another. Amounts in wad, indices and sums in ray.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

RAY = 10**27
LEAST_LOSS_DIVISOR = 10**6
MAX_CUT_DIVISOR = 2
LEAST_REMAINING = RAY // 10**6
MAX_EPOCH = 4_095
MOST_COUNTED = 128


def supply_shares(cash: int, index: int) -> int:
    """Shares of a positive balance written at the supply index, rounded up; 0 of a debt."""
    return -(-cash * RAY // index) if cash > 0 else 0


def cut_of(loss: int, shares: int, supply_index: int) -> tuple[int, int]:
    """By how much a loss cuts the supply index, and what of the loss that covers; (0, 0) where it waits for more.

    Args:
        loss: Uncovered, wad.
        shares: Σ of supply shares.
    """
    cash = shares * supply_index // RAY
    if cash == 0 or loss == 0 or loss < cash // LEAST_LOSS_DIVISOR:
        return 0, 0
    cut = min(-(-loss * RAY // shares), supply_index // MAX_CUT_DIVISOR)
    return cut, min(loss, cut * shares // RAY)


@dataclass
class Sums:
    """Up to an epoch, a supply share, ray: claim units, and what they stood for when they were given."""

    units: int = 0
    value: int = 0


@dataclass
class Claim:
    """Of one account, as last collected; `past` are shares it held while the index was cut: (shares, from, until), of
    which the first `counted` are in it."""

    units: int = 0
    remaining: int = 0
    epoch: int = 0
    past: list[tuple[int, int, int]] = field(default_factory=list)
    counted: int = 0


@dataclass
class Claims:
    """All claims. `pool` is repaid and not yet collected; claims of cuts before `first_epoch` are repaid in full."""

    outstanding: int = 0
    pool: int = 0
    remaining: int = RAY
    first_epoch: int = 0
    epoch: int = 0
    sums: dict[int, Sums] = field(default_factory=lambda: {0: Sums()})
    accounts: dict[int, Claim] = field(default_factory=lambda: defaultdict(Claim))

    def cut(self, cut: int, covered: int) -> None:
        """Gives every supply share a claim on what the cut took."""
        if self.remaining < LEAST_REMAINING:
            self._close()
        units = cut * RAY // self.remaining
        before = self.sums[self.epoch]
        self.epoch += 1
        self.sums[self.epoch] = Sums(before.units + units, before.value + units * self.remaining // RAY)
        self.outstanding += covered

    def repay(self, amount: int) -> None:
        """Sets `amount`, at most what is outstanding, aside for the claims."""
        self.pool += amount
        if amount < self.outstanding or self.epoch == MAX_EPOCH:
            left = self.outstanding - amount
            self.remaining = -(-self.remaining * left // self.outstanding)
            self.outstanding = left
        else:
            self._close()

    def _close(self) -> None:
        self.sums[self.epoch + 1] = self.sums[self.epoch]
        self.epoch += 1
        self.first_epoch, self.remaining, self.outstanding = self.epoch, RAY, 0

    def keep_shares(self, account: int, shares: int, epoch: int) -> None:
        """Remembers the shares that an account held since `epoch`, as its balance is written anew."""
        if epoch != self.epoch and shares:
            self.accounts[account].past.append((shares, epoch, self.epoch))

    def of(self, account: int, shares: int, since: int) -> tuple[int, int, int]:
        """An account's claim now.

        Args:
            shares: Of its balance as last written.
            since: The epoch in which that was.

        Returns:
            Claim units, what is outstanding (rounded down) and what it can collect, wad.
        """
        claim = self.accounts.get(account, Claim())
        units, collectable = self._sum(claim, [*claim.past[claim.counted :], (shares, since, self.epoch)])
        return units, units * self.remaining // RAY, min(collectable, self.pool)

    def collect(self, account: int, shares: int, since: int) -> tuple[int, bool]:
        """Pays an account what was repaid of its claim, as far as the oldest `MOST_COUNTED` of its past balances go.

        Returns:
            The amount, wad, and whether everything was counted: the balance counts as written in this epoch then.
        """
        claim = self.accounts[account]
        pending = claim.past[claim.counted :]
        is_whole = len(pending) <= MOST_COUNTED
        words = [*pending, (shares, since, self.epoch)] if is_whole else pending[:MOST_COUNTED]
        units, amount = self._sum(claim, words)
        counted = claim.counted + min(len(pending), MOST_COUNTED)
        self.accounts[account] = Claim(units, self.remaining, words[-1][2], claim.past, counted)
        amount = min(amount, self.pool)
        self.pool -= amount
        return amount, is_whole

    def _sum(self, claim: Claim, words: list[tuple[int, int, int]]) -> tuple[int, int]:
        """Claim units with those of further balances, and what was repaid of both since."""
        units, collectable = claim.units, 0
        if units:
            left = 0 if claim.epoch < self.first_epoch else self.remaining
            collectable = units * (claim.remaining - left) // RAY
            units = units if left else 0
        for held, start, until in words:
            given, repaid = self._count(held, max(start, claim.epoch), until)
            units, collectable = units + given, collectable + repaid
        return units, collectable

    def _count(self, shares: int, start: int, until: int) -> tuple[int, int]:
        if start >= until or not shares:
            return 0, 0
        middle = min(max(self.first_epoch, start), until)
        first, second, last = (self.sums[epoch] for epoch in (start, middle, until))
        units, value = last.units - second.units, last.value - second.value
        still_open = -(-units * self.remaining // RAY)
        repaid = shares * (second.value - first.value + max(0, value - still_open)) // RAY
        return shares * units // RAY, repaid
