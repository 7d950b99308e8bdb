"""ABI encoding and decoding that keeps names: structs go in as dicts, dataclasses or tuples and come out as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from eth_abi import decode, encode
from eth_utils import keccak, to_checksum_address

from ballast.errors import BallastError

Abi = Sequence[Mapping[str, Any]]


class NoSuchEntry(BallastError):
    """The ABI has no such function, event or error for the given arguments."""


class Record(tuple[Any, ...]):
    """A decoded struct or argument list: a tuple whose items also have their ABI names."""

    names: tuple[str, ...]

    # A field's name wins over the tuple's own method: a quote has an `index`.
    index = property(lambda self: self.__getattr__("index"))  # type: ignore[assignment]
    count = property(lambda self: self.__getattr__("count"))  # type: ignore[assignment]

    def __new__(cls, names: Iterable[str], values: Iterable[Any]) -> Record:
        record = super().__new__(cls, values)
        record.names = tuple(names)
        return record

    def __getattr__(self, name: str) -> Any:
        try:
            return self[object.__getattribute__(self, "names").index(name)]
        except ValueError:
            raise AttributeError(name) from None

    def as_dict(self) -> dict[str, Any]:
        return dict(zip(self.names, self, strict=True))

    def __repr__(self) -> str:
        return "(" + ", ".join(f"{name}={value!r}" for name, value in zip(self.names, self, strict=True)) + ")"


def type_of(item: Mapping[str, Any]) -> str:
    """The canonical type of an ABI parameter, tuples spelled out."""
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(type_of(part) for part in item["components"]) + ")" + kind[len("tuple") :]


def signature_of(entry: Mapping[str, Any]) -> str:
    return f"{entry['name']}({','.join(type_of(item) for item in entry['inputs'])})"


def selector_of(entry: Mapping[str, Any]) -> bytes:
    return keccak(text=signature_of(entry))[:4]


def find(abi: Abi, kind: str, name: str, arity: int | None = None) -> Mapping[str, Any]:
    """The entry of that kind and name (or full signature) with `arity` inputs.

    Raises:
        NoSuchEntry: None or more than one fits.
    """
    found = [
        entry
        for entry in abi
        if entry["type"] == kind
        and (entry["name"] == name or ("(" in name and signature_of(entry) == name))
        and (arity is None or len(entry["inputs"]) == arity)
    ]
    if len(found) != 1:
        raise NoSuchEntry(f"{len(found)} {kind}s named {name!r} take {arity} arguments")
    return found[0]


def encode_arguments(inputs: Sequence[Mapping[str, Any]], values: Sequence[Any]) -> bytes:
    plain = [_plain(item, value) for item, value in zip(inputs, values, strict=True)]
    return encode([type_of(item) for item in inputs], plain)


def encode_call(abi: Abi, function: str, arguments: Sequence[Any]) -> bytes:
    entry = find(abi, "function", function, len(arguments))
    return selector_of(entry) + encode_arguments(entry["inputs"], arguments)


def encode_constructor(abi: Abi, arguments: Sequence[Any]) -> bytes:
    inputs: Sequence[Any] = next((entry["inputs"] for entry in abi if entry["type"] == "constructor"), [])
    if len(inputs) != len(arguments):
        raise NoSuchEntry(f"the constructor takes {len(inputs)} arguments, {len(arguments)} were given")
    return encode_arguments(inputs, arguments)


def decode_arguments(items: Sequence[Mapping[str, Any]], data: bytes) -> Record:
    values = decode([type_of(item) for item in items], data)
    return Record([item["name"] for item in items], [_named(i, v) for i, v in zip(items, values, strict=True)])


def decode_result(abi: Abi, function: str, arity: int, data: bytes) -> Any:
    """The single output, or a record of several."""
    outputs = find(abi, "function", function, arity)["outputs"]
    result = decode_arguments(outputs, data)
    return result[0] if len(outputs) == 1 else result


def decode_log(entry: Mapping[str, Any], topics: Sequence[bytes], data: bytes) -> Record:
    indexed = [item for item in entry["inputs"] if item["indexed"]]
    plain = [item for item in entry["inputs"] if not item["indexed"]]
    found = decode_arguments(plain, data).as_dict()
    for item, topic in zip(indexed, topics[1:], strict=True):
        found |= decode_arguments([item], topic).as_dict()
    return Record([item["name"] for item in entry["inputs"]], [found[item["name"]] for item in entry["inputs"]])


def _plain(item: Mapping[str, Any], value: Any) -> Any:
    kind: str = item["type"]
    if kind.endswith("]"):
        inner = {**item, "type": kind[: kind.rindex("[")]}
        return [_plain(inner, part) for part in value]
    if kind != "tuple":
        return getattr(value, "address", value) if kind == "address" else value
    if is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, Mapping):
        value = [value[part["name"]] for part in item["components"]]
    return tuple(_plain(part, inner) for part, inner in zip(item["components"], value, strict=True))


def _named(item: Mapping[str, Any], value: Any) -> Any:
    kind: str = item["type"]
    if kind.endswith("]"):
        inner = {**item, "type": kind[: kind.rindex("[")]}
        return [_named(inner, part) for part in value]
    if kind == "address":
        return to_checksum_address(value)
    if kind != "tuple":
        return value
    parts = item["components"]
    return Record([part["name"] for part in parts], [_named(p, v) for p, v in zip(parts, value, strict=True)])
