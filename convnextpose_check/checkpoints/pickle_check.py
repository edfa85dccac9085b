"""Reads ``data.pkl`` without running it, and refuses whatever torch.save does not write.

Every opcode is followed on a stack of place-holders before torch sees the pickle. So each call,
storage and nesting is known to be harmless, whatever the installed torch would have let through.
"""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, NoReturn

from convnextpose_check.checkpoints.members import DOWNLOAD_AGAIN, shown
from convnextpose_check.errors import Code, ConvNeXtPoseCheckError

ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
ITEM_BYTES = {"torch FloatStorage": 4, "torch LongStorage": 8}

ALLOWED_GLOBALS = frozenset({ORDERED_DICT, REBUILD_TENSOR, *ITEM_BYTES})
"""All that the authors' checkpoints name; anything else is refused before torch sees it."""

ALLOWED_OPCODES = frozenset(
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE"
    " EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS"
    " BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD BINPERSID".split()
)
"""What torch.save emits, and no more."""

MAX_OPCODES = 200_000
"""A published checkpoint has about 40,000."""
MAX_STACK = 4_096
"""Pickle sets 1,000 items of a dict at a time, which takes 2,000 places."""
MAX_MARKS = 32
MAX_TUPLE_DEPTH = 8
"""Python hashes a nested tuple by recursion in C: a deep one as a key ends the process."""
MAX_DIMENSIONS = 8
MAX_INTEGER = 1 << 63
"""Longer integers can be chosen to have one hash, which makes a dict of them take minutes."""

SAVE_AGAIN = "Do not load this file by other means; save its epoch and network alone again"


class _Made(Enum):
    """What the pickle makes and this module need not look into."""

    LIST = auto()
    DICT = auto()
    ORDERED_DICT = auto()
    TENSOR = auto()
    SHARED = auto()  # a list or dict fetched from the memo


class _Global(str):
    __slots__ = ()


class _Tuple(tuple[Any, ...]):
    depth = 0


@dataclass(frozen=True)
class _Storage:
    items: int


class _UnusualError(Exception):
    """The pickle does what no checkpoint does; the code and what it is."""

    def __init__(self, code: Code, what: str) -> None:
        super().__init__(what)
        self.code = code


def check_pickle(pickle: bytes, storages: Mapping[str, int], path: Path) -> None:
    """Refuse a pickle that torch.save cannot have written for these storages.

    ``storages`` gives the bytes of each by its key. Raises ``ConvNeXtPoseCheckError`` with the
    codes ``bomb``, ``bad-pickle``, ``bad-tensor``, ``forbidden-global`` and ``forbidden-opcode``.
    """
    machine = _Machine(storages)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
            if count == MAX_OPCODES:
                raise _UnusualError("bomb", f"of more than {MAX_OPCODES} opcodes")
            machine.step(opcode.name, argument)
    except _UnusualError as error:
        raise ConvNeXtPoseCheckError(
            error.code,
            f"{path} has a data.pkl {error}, which torch.save does not write",
            SAVE_AGAIN,
        ) from None
    except Exception as error:  # noqa: BLE001 - a broken pickle raises whatever it meets
        problem = f"{path} has a data.pkl that is no pickle ({shown(str(error))})"
        raise ConvNeXtPoseCheckError("bad-pickle", problem, DOWNLOAD_AGAIN) from None


@dataclass
class _Machine:
    """The stacks and the memo of torch's own unpickler, holding place-holders."""

    storages: Mapping[str, int]
    stack: list[Any] = field(default_factory=list)
    outer: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def step(self, name: str, argument: Any) -> None:
        """Follow one opcode."""
        if name not in ALLOWED_OPCODES or (name == "PROTO" and argument != 2):
            raise _UnusualError("forbidden-opcode", f"with the opcode {name}")
        if name == "GLOBAL" and argument not in ALLOWED_GLOBALS:
            named = shown(argument.replace(" ", "."))
            raise _UnusualError("forbidden-global", f"that names {named}")
        if method := getattr(self, f"_{name.lower()}", None):
            method()
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            # What is filled or copied later must be new: copies of one large dict take gigabytes.
            value = self.memo[argument]
            mutable = value in (_Made.LIST, _Made.DICT, _Made.ORDERED_DICT)
            self.stack.append(_Made.SHARED if mutable else value)
        elif name == "GLOBAL":
            self.stack.append(_Global(argument))
        elif name != "PROTO":
            if type(argument) is int and not -MAX_INTEGER <= argument < MAX_INTEGER:
                raise _UnusualError("bad-pickle", "with an integer of more than 8 bytes")
            self.stack.append(argument)
        if len(self.stack) > MAX_STACK or len(self.outer) > MAX_MARKS:
            raise _UnusualError("bomb", f"that goes deeper than {MAX_STACK} or {MAX_MARKS} marks")

    def _mark(self) -> None:
        self.outer.append(self.stack)
        self.stack = []

    def _marked(self) -> list[Any]:
        items, self.stack = self.stack, self.outer.pop()
        return items

    def _stop(self) -> None:
        self.stack.pop()

    def _none(self) -> None:
        self.stack.append(None)

    def _newtrue(self) -> None:
        self.stack.append(True)

    def _newfalse(self) -> None:
        self.stack.append(False)

    def _empty_list(self) -> None:
        self.stack.append(_Made.LIST)

    def _empty_dict(self) -> None:
        self.stack.append(_Made.DICT)

    def _append(self) -> None:
        self.stack.pop()
        self._into(_Made.LIST)

    def _appends(self) -> None:
        self._marked()
        self._into(_Made.LIST)

    def _setitem(self) -> None:
        _value, key = self.stack.pop(), self.stack.pop()
        self._set([key])

    def _setitems(self) -> None:
        self._set(self._marked()[::2])

    def _set(self, keys: list[Any]) -> None:
        self._into(_Made.DICT, _Made.ORDERED_DICT)
        if not all(type(key) in (str, int) for key in keys):
            raise _UnusualError("bad-tensor", "with a key that is not a string or a whole number")

    def _into(self, *kinds: _Made) -> None:
        if self.stack[-1] not in kinds:
            raise _UnusualError("bad-pickle", "that fills something else than a new list or dict")

    def _empty_tuple(self) -> None:
        self._tuple_of([])

    def _tuple(self) -> None:
        self._tuple_of(self._marked())

    def _tuple1(self) -> None:
        self._tuple_of([self.stack.pop()])

    def _tuple2(self) -> None:
        self._tuple_of([self.stack.pop(), self.stack.pop()][::-1])

    def _tuple3(self) -> None:
        self._tuple_of([self.stack.pop(), self.stack.pop(), self.stack.pop()][::-1])

    def _tuple_of(self, items: list[Any]) -> None:
        made = _Tuple(items)
        made.depth = 1 + max((item.depth for item in items if type(item) is _Tuple), default=0)
        if made.depth > MAX_TUPLE_DEPTH:
            raise _UnusualError("bomb", f"with tuples nested deeper than {MAX_TUPLE_DEPTH}")
        self.stack.append(made)

    def _build(self) -> None:
        state = self.stack.pop()
        if state is not _Made.DICT or self.stack[-1] is not _Made.ORDERED_DICT:
            raise _UnusualError("bad-pickle", "that sets the state of something else than a dict")

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Global or type(arguments) is not _Tuple:
            raise _UnusualError("bad-pickle", "that calls something else than a function")
        if function == ORDERED_DICT and not arguments:
            self.stack.append(_Made.ORDERED_DICT)
        elif function == REBUILD_TENSOR and len(arguments) == 6:
            self.stack.append(_tensor(*arguments))
        else:
            named = function.replace(" ", ".")
            raise _UnusualError("bad-pickle", f"that calls {named} with {len(arguments)} arguments")

    def _binpersid(self) -> None:
        identity = self.stack.pop()
        if type(identity) is not _Tuple or len(identity) != 5:
            _refuse_storage()
        tag, kind, key, location, items = identity
        if tag != "storage" or type(kind) is not _Global or kind not in ITEM_BYTES:
            _refuse_storage()
        if type(key) is not str or type(location) is not str or type(items) is not int:
            _refuse_storage()
        if self.storages.get(key) != items * ITEM_BYTES[kind]:
            raise _UnusualError(
                "bad-pickle",
                f"that gives storage {shown(key)} {items} elements of {ITEM_BYTES[kind]} bytes,"
                f" where the file has {self.storages.get(key, 'no')} bytes",
            )
        self.stack.append(_Storage(items))


def _refuse_storage() -> NoReturn:
    raise _UnusualError("bad-pickle", "that describes a storage by something else than its key")


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any
) -> _Made:
    """A tensor whose every element is inside its storage."""
    if (
        type(storage) is not _Storage
        or type(requires_grad) is not bool
        or hooks is not _Made.ORDERED_DICT
        or type(size) is not _Tuple
        or type(stride) is not _Tuple
        or not len(size) == len(stride) <= MAX_DIMENSIONS
        or not all(type(number) is int and number >= 0 for number in (offset, *size, *stride))
    ):
        raise _UnusualError("bad-tensor", "with a tensor that is not plain")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.items:
        raise _UnusualError(
            "bad-tensor",
            f"with a tensor that reaches element {last} of a storage of {storage.items}",
        )
    return _Made.TENSOR
