"""Writes the pipeline's structures to files and reads them back: arrays as npz, all else as JSON, never pickle.

A file does not say which classes it holds: the reader names the type that it expects, and the fields' own type hints
lead from there. So a file can make nothing but numbers, texts and the dataclasses that the reader asked for, and those
check their contents when they are made.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from activity.errors import StructureError

_TREE: Final = "tree"
_ARRAY: Final = "$array"
T = TypeVar("T")


def write_structure(path: Path, value: object) -> None:
    """Write a dataclass, or a list of them, with everything in it."""
    arrays: list[npt.NDArray[Any]] = []
    tree = _encode(value, arrays)
    text = np.frombuffer(json.dumps(tree, ensure_ascii=False).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(
            file, allow_pickle=False, **{_TREE: text}, **{f"a{i}": array for i, array in enumerate(arrays)}
        )


def read_structure(path: Path, kind: type[T]) -> T:
    """Read what `write_structure` wrote.

    Args:
        path: The file.
        kind: What it holds, such as ``Observations`` or ``list[ActivityScore]``.

    Raises:
        StructureError: If the file is damaged, or holds something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            tree = json.loads(stored[_TREE].tobytes())
            arrays = [stored[f"a{i}"] for i in range(len(stored.files) - 1)]
            return cast("T", _decode(tree, kind, arrays))
    except Exception as error:  # a damaged file makes numpy, zipfile, zlib and json raise many kinds
        raise StructureError(
            f"{path.name}: expected {getattr(kind, '__name__', kind)}, got {type(error).__name__}: {error}"
        ) from error


def decode_tree(tree: object, kind: type[T]) -> T:
    """Make a dataclass without arrays from JSON that was parsed.

    Raises:
        StructureError: If it is something else.
    """
    try:
        return cast("T", _decode(tree, kind, []))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise StructureError(f"expected {kind.__name__}, got {type(error).__name__}: {error}") from error


def _encode(value: object, arrays: list[npt.NDArray[Any]]) -> Any:  # noqa: PLR0911 - one for each kind
    match value:
        case None | bool() | int() | float() | str():
            return value
        case np.ndarray():
            if value.dtype == object:
                raise StructureError("an array of Python objects cannot be written")
            arrays.append(value)
            return {_ARRAY: len(arrays) - 1}
        case np.generic():
            return value.item()
        case Path():
            return str(value)
        case Mapping():
            if not all(isinstance(key, str) for key in value):
                raise StructureError(f"expected texts as keys, got {list(value)}")
            return {key: _encode(item, arrays) for key, item in value.items()}
        case list() | tuple():
            return [_encode(item, arrays) for item in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: _encode(getattr(value, field.name), arrays) for field in dataclasses.fields(value)
        }
    raise StructureError(f"{type(value).__name__} cannot be written")


def _decode(tree: Any, kind: Any, arrays: list[npt.NDArray[Any]]) -> Any:  # noqa: PLR0911 - one for each kind
    origin, arguments = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return cast("type", kind)(**{name: _decode(item, hints[name], arrays) for name, item in tree.items()})
    if origin in (Union, types.UnionType):
        others = [argument for argument in arguments if argument is not types.NoneType]
        return None if tree is None and len(others) < len(arguments) else _decode(tree, others[0], arrays)
    if kind is np.ndarray or origin is np.ndarray:
        return arrays[tree[_ARRAY]]
    if origin is tuple:
        return _decode_tuple(tree, arguments, arrays)
    if origin in (list, collections.abc.Sequence):
        return [_decode(item, arguments[0], arrays) for item in tree]
    if origin in (dict, collections.abc.Mapping):
        return {key: _decode(item, arguments[1], arrays) for key, item in tree.items()}
    return _decode_plain(tree, kind, origin)


def _decode_tuple(tree: Any, arguments: tuple[Any, ...], arrays: list[npt.NDArray[Any]]) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decode(item, arguments[0], arrays) for item in tree)
    return tuple(_decode(item, argument, arrays) for item, argument in zip(tree, arguments, strict=True))


def _decode_plain(tree: Any, kind: Any, origin: Any) -> Any:
    if kind in (object, Any) or origin is Literal:
        return tree
    if kind is Path:
        return Path(tree)
    if kind is float:
        return float(tree)
    if kind in (int, str, bool) and type(tree) is kind:
        return tree
    raise TypeError(f"expected {kind}, got {type(tree).__name__}")
