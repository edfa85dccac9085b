"""Check without running it that ``data.pkl`` has only tensors and plain values.

Every opcode is simulated on a stack of placeholders before torch loads the pickle. So every call,
storage and nesting is checked, independent of what the installed torch allows.
"""

import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from convnextpose_check.checkpoints.members import RefusedError, quote

ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
ITEM_BYTES = {
    "torch FloatStorage": 4,
    "torch LongStorage": 8,
    "torch DoubleStorage": 8,
    "torch IntStorage": 4,
    "torch ShortStorage": 2,
    "torch HalfStorage": 2,
    "torch BFloat16Storage": 2,
    "torch CharStorage": 1,
    "torch ByteStorage": 1,
    "torch BoolStorage": 1,
}
"""Storages of plain numbers; the authors' checkpoints have the first two."""

NUMPY_DTYPE = "numpy dtype"
NUMPY_SCALARS = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar")
"""The function that creates a NumPy scalar, in versions 1 and 2."""
ENCODE = "_codecs encode"
"""Protocol 2 writes bytes as a string and encodes it in latin1."""
NUMPY_CODES = ("f8", "f4", "i8", "i4", "b1")
"""Codes of the dtypes of numbers."""
NUMPY_DTYPE_STATES = [(3, byte_order, None, None, None, -1, -1, 0) for byte_order in "<|"]
"""States of a dtype without fields."""

ALLOWED_GLOBALS = frozenset(
    {ORDERED_DICT, REBUILD_TENSOR, *ITEM_BYTES, NUMPY_DTYPE, *NUMPY_SCALARS, ENCODE}
)

ALLOWED_OPCODES = frozenset(
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE"
    " EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS"
    " BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD BINPERSID".split()
)
"""The opcodes of protocol 2 that torch.save writes."""

MAX_OPCODES = 200_000
"""A published checkpoint has about 40,000."""
MAX_STACK = 4_096
"""Pickle sets 1,000 items of a dict at a time, which are 2,000 objects on the stack."""
MAX_TUPLE_DEPTH = 8
"""Python hashes nested tuples by recursion in C: a deep one as a key crashes the process."""
MAX_DIMENSIONS = 8
MAX_NUMBER_BYTES = 8
MAX_INTEGER = 1 << 63
"""Larger integers can be chosen with equal hashes; a dict with such keys takes minutes."""


class _Object(Enum):
    """Placeholders for objects of which only the kind matters."""

    LIST = auto()
    DICT = auto()
    ORDERED_DICT = auto()
    TENSOR = auto()
    SHARED = auto()  # a list or dict from the memo
    BYTES = auto()
    DTYPE = auto()
    SCALAR = auto()


class _Global(str):
    __slots__ = ()


class _Tuple(tuple[Any, ...]):
    depth = 1


@dataclass(frozen=True)
class _Storage:
    items: int


_CONSTANTS = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_LIST": _Object.LIST,
    "EMPTY_DICT": _Object.DICT,
    "EMPTY_TUPLE": _Tuple(),
}
"""The object that an opcode without an argument pushes."""

_OPERANDS = {"APPEND": 1, "SETITEM": 2, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""Number of objects that an opcode pops; other opcodes pop all above the last mark."""


def _unusual_pickle(what: str) -> RefusedError:
    return RefusedError(
        f"has a data.pkl {what}",
        remedy="Do not load this file in another way; if it is your own, save only its epoch and"
        " network again",
    )


def check_pickle(pickle: bytes, storages: Mapping[str, int]) -> None:
    """Raise ``RefusedError`` for a pickle with more than tensors and plain values.

    ``storages`` maps the key of each storage to its size in bytes.
    """
    machine = _PickleMachine(storages)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(pickle)):
            if count == MAX_OPCODES:
                raise _unusual_pickle(f"of more than {MAX_OPCODES} opcodes")
            machine.step(opcode.name, argument)
    except RefusedError:
        raise
    except Exception as error:  # noqa: BLE001 - a broken pickle raises any exception
        problem = f"has a data.pkl that is not a pickle ({quote(str(error))})"
        raise RefusedError(problem) from None


class _PickleMachine:
    """Simulates torch's unpickler, with placeholders on its stack and in its memo."""

    def __init__(self, storages: Mapping[str, int]) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.outer_stacks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.kinds: dict[str, str] = {}  # of storages

    def step(self, name: str, argument: Any) -> None:
        """Simulate one opcode."""
        if name not in ALLOWED_OPCODES or (name == "PROTO" and argument != 2):
            raise _unusual_pickle(f"with the opcode {name}: expected those of pickle protocol 2")
        if name == "GLOBAL" and argument not in ALLOWED_GLOBALS:
            named = quote(argument.replace(" ", "."))
            raise _unusual_pickle(
                f"that uses {named}: expected only tensors, numbers, texts, lists and dicts, since"
                " other objects can run code"
            )
        if type(argument) is int and not -MAX_INTEGER <= argument < MAX_INTEGER:
            raise _unusual_pickle("with an integer of more than 8 bytes")
        stack = self.stack
        match name:
            case "PROTO":
                pass
            case "STOP":
                stack.pop()
            case "MARK":
                self.outer_stacks.append(stack)
                self.stack = []
            case "GLOBAL":
                stack.append(_Global(argument))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                # Only a new list or dict may be filled: copies of a large one would take gigabytes.
                value = self.memo[argument]
                mutable = value in (_Object.LIST, _Object.DICT, _Object.ORDERED_DICT)
                stack.append(_Object.SHARED if mutable else value)
            case "APPEND" | "APPENDS":
                self._pop_operands(name)
                self._expect_top(_Object.LIST)
            case "SETITEM" | "SETITEMS":
                keys = self._pop_operands(name)[::2]
                self._expect_top(_Object.DICT, _Object.ORDERED_DICT)
                if not all(type(key) in (str, int) for key in keys):
                    raise _unusual_pickle("with a key that is neither a string nor an integer")
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = self._pop_operands(name)
                self.stack.append(_make_tuple(items))
            case "BUILD":
                state, target = stack.pop(), stack[-1]
                is_dict = state is _Object.DICT and target is _Object.ORDERED_DICT
                is_dtype = state in NUMPY_DTYPE_STATES and target is _Object.DTYPE
                if not is_dict and not is_dtype:
                    raise _unusual_pickle("that sets the state of an object other than a dict")
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_check_call(function, arguments))
            case "BINPERSID":
                stack.append(self._check_storage(stack.pop()))
            case _:  # a constant, a number or a string
                stack.append(_CONSTANTS.get(name, argument))
        if len(self.stack) > MAX_STACK:
            raise _unusual_pickle(f"with a stack of more than {MAX_STACK} objects")

    def _pop_operands(self, name: str) -> list[Any]:
        if count := _OPERANDS.get(name):
            return [self.stack.pop() for _ in range(count)][::-1]
        items, self.stack = self.stack, self.outer_stacks.pop()
        return items

    def _expect_top(self, *kinds: _Object) -> None:
        if self.stack[-1] not in kinds:
            raise _unusual_pickle("that adds items to an object other than a new list or dict")

    def _check_storage(self, identity: Any) -> _Storage:
        types = (str, _Global, str, str, int)
        is_tuple = type(identity) is _Tuple and tuple(map(type, identity)) == types
        if not is_tuple or identity[0] != "storage" or identity[1] not in ITEM_BYTES:
            raise _unusual_pickle("with a malformed storage")
        _tag, kind, key, _location, items = identity
        if self.storages.get(key) != items * ITEM_BYTES[kind]:
            raise _unusual_pickle(
                f"that has {items} elements of {ITEM_BYTES[kind]} bytes in storage {quote(key)}"
                f" of {self.storages.get(key, 0)} bytes",
            )
        if self.kinds.setdefault(key, kind) != kind:
            raise _unusual_pickle(f"that reads storage {quote(key)} as two types")
        return _Storage(items)


def _make_tuple(items: list[Any]) -> _Tuple:
    made = _Tuple(items)
    made.depth = 1 + max((item.depth for item in items if type(item) is _Tuple), default=0)
    if made.depth > MAX_TUPLE_DEPTH:
        raise _unusual_pickle(f"with tuples nested deeper than {MAX_TUPLE_DEPTH}")
    return made


def _check_call(function: Any, arguments: Any) -> Any:
    if type(function) is not _Global or type(arguments) is not _Tuple:
        raise _unusual_pickle("that calls an object other than a function")
    if function == ORDERED_DICT and not arguments:
        return _Object.ORDERED_DICT
    if function == REBUILD_TENSOR and len(arguments) == 6:
        return _check_tensor(*arguments)
    if function == NUMPY_DTYPE and arguments in [(code, False, True) for code in NUMPY_CODES]:
        return _Object.DTYPE
    if function == ENCODE and arguments[1:] == ("latin1",) and type(arguments[0]) is str:
        if len(arguments[0]) > MAX_NUMBER_BYTES:  # copies of a long one would take gigabytes
            raise _unusual_pickle(f"with encoded bytes: expected at most {MAX_NUMBER_BYTES}")
        return _Object.BYTES
    if function in NUMPY_SCALARS and arguments == (_Object.DTYPE, _Object.BYTES):
        return _Object.SCALAR
    named = function.replace(" ", ".")
    raise _unusual_pickle(f"that calls {named} with {len(arguments)} unexpected arguments")


def _check_tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any
) -> _Object:
    """Check that all elements of a tensor are in its storage."""
    if (
        type(storage) is not _Storage
        or requires_grad is not False
        or hooks is not _Object.ORDERED_DICT
        or type(size) is not _Tuple
        or type(stride) is not _Tuple
        or not len(size) == len(stride) <= MAX_DIMENSIONS
        or not all(type(number) is int and number >= 0 for number in (offset, *size, *stride))
    ):
        raise _unusual_pickle("with malformed arguments of a tensor")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.items:
        raise _unusual_pickle(
            f"with a tensor that extends to element {last} of a storage of {storage.items}",
        )
    return _Object.TENSOR
