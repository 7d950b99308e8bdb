"""Writes the ABIs of deployable contracts into the off-chain package, so that it works without a checkout."""

import json
from pathlib import Path

from ballast.chain.artifacts import load_artifacts

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "offchain" / "src" / "ballast" / "chain" / "abi"
# Contracts that operators and users talk to; sources of prices and tokens are found through these.
EXPORTED = (
    "Auctions",
    "ChainlinkSource",
    "Clearinghouse",
    "Exchange",
    "Expiries",
    "InsuranceFund",
    "Lens",
    "MarginEngine",
    "OracleHub",
    "QuorumFeed",
)


def slim(entry: dict) -> dict:
    """Without the compiler's internal types, which no reader needs."""
    return {key: _without_internal(value) for key, value in entry.items() if key != "internalType"}


def _without_internal(value: object) -> object:
    if isinstance(value, list):
        return [slim(item) if isinstance(item, dict) else item for item in value]
    return value


def main() -> None:
    """Writes what changed.

    Raises:
        SystemExit: A contract to export is not compiled; nothing was written.
    """
    artifacts = load_artifacts(ROOT)
    if missing := [name for name in EXPORTED if name not in artifacts]:
        raise SystemExit(f"export_abis: not compiled: {', '.join(missing)}. Was a contract renamed? See EXPORTED.")
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in EXPORTED:
        lines = [json.dumps(slim(entry)) for entry in artifacts[name].abi if entry["type"] != "constructor"]
        text = "[\n" + ",\n".join(dict.fromkeys(lines)) + "\n]\n"
        file = TARGET / f"{name}.json"
        if not file.is_file() or file.read_text() != text:
            file.write_text(text)


if __name__ == "__main__":
    main()
