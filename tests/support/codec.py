"""Decoded structs, changed for tests that need a picture of something that did not happen."""

from typing import Any

from ballast.chain.codec import Record


def changed(record: Record, **values: Any) -> Record:
    """The record with some fields replaced."""
    return Record(record.names, [values.get(name, value) for name, value in zip(record.names, record, strict=True)])
