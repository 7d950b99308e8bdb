"""Writes contracts/pricing/NormalTable.sol: the table of Φ as a contract whose code is the table."""

from pathlib import Path

from ballast.risk.pricing import encode_normal_table

TARGET = Path(__file__).resolve().parent.parent / "contracts" / "pricing" / "NormalTable.sol"
BYTES_A_LINE = 48
TEMPLATE = """\
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @dev Written by tools/normal_table.py: a byte that stops whoever calls it, then 16 bytes an interval.
bytes constant NORMAL_TABLE = hex"00"
{lines};

/// @title The table that `NormalDistribution` reads, as the code of a contract
contract NormalTable {{
    constructor() {{
        bytes memory table = NORMAL_TABLE;
        assembly ("memory-safe") {{
            return(add(table, 32), mload(table))
        }}
    }}
}}
"""


def source() -> str:
    """The contract's text."""
    table = encode_normal_table().hex()
    width = 2 * BYTES_A_LINE
    lines = [f'    hex"{table[at : at + width]}"' for at in range(0, len(table), width)]
    return TEMPLATE.format(lines="\n".join(lines))


if __name__ == "__main__":
    TARGET.write_text(source())
