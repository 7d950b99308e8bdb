"""Accounts and instruments in one word each, as the contracts pack them (contracts/types)."""

from __future__ import annotations

from eth_utils import to_checksum_address

ISOLATED_BIT = 1 << 95
KIND_PERP, KIND_FUTURE, KIND_OPTION = 1, 2, 3
_SUB_ACCOUNT_BITS = 96


def account_id(owner: str, sub_account: int = 0, *, isolated: bool = False) -> int:
    """The id of an owner's account. Needs no registration.

    Raises:
        ValueError: The sub-account index does not fit its 95 bits.
    """
    if not 0 <= sub_account < ISOLATED_BIT:
        raise ValueError(f"sub-account {sub_account} is outside 0 … 2^95 - 1")
    return (int(owner, 16) << _SUB_ACCOUNT_BITS) | sub_account | (ISOLATED_BIT if isolated else 0)


def owner_of(account: int) -> str:
    return str(to_checksum_address((account >> _SUB_ACCOUNT_BITS).to_bytes(20, "big")))


def perp_of(underlying: int) -> int:
    """The id of an underlying's perpetual."""
    return (KIND_PERP << 248) | (underlying << 240)


def expiry_key(underlying: int, expiry: int) -> int:
    """What names an expiry of an underlying on chain and in signed reports."""
    return (underlying << 40) | expiry


def future_of(underlying: int, expiry: int) -> int:
    """The id of a dated future."""
    return (KIND_FUTURE << 248) | (underlying << 240) | (expiry << 200)


def option_of(underlying: int, expiry: int, strike: int, *, is_put: bool) -> int:
    """The id of a European option; the strike in wad of the value unit."""
    option_type = 2 if is_put else 1
    return (KIND_OPTION << 248) | (underlying << 240) | (expiry << 200) | (option_type << 192) | strike


def kind_of(instrument: int) -> int:
    """One of the ``KIND_`` constants."""
    return instrument >> 248
