"""Contact with a deployed Ballast: contracts, reads pinned to a block, the log cursor, the transaction lane."""
