"""Safetensors files with false headers or other content."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import save

from tests.hostile.cases import LOADS, add
from tests.support.archives import make_zip

KEY = "module.head.deconv_layers_1.dwconv.weight"


def _convert(good: bytes) -> bytes:
    return save(torch.load(io.BytesIO(good), weights_only=True)["network"])


def _with_header(header: Any, numbers: bytes = bytes(24), length: int | None = None) -> bytes:
    """A file with this header, written as JSON unless it is bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def _entry(dtype: str = "F32", shape: Any = (6,), offsets: Any = (0, 24)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def _safetensors(name: str, content: bytes | Callable[[bytes], bytes], *codes: str) -> None:
    add(f"safetensors_{name}", content, *(codes or ("damaged",)))


_safetensors("good", _convert, LOADS)
_safetensors("in_zip", lambda good: make_zip({"a.safetensors": _convert(good)}, ""), LOADS)
_safetensors("cut", lambda good: _convert(good)[:-1])
_safetensors("longer", lambda good: _convert(good) + b"x")
_safetensors("of_8_bytes", struct.pack("<Q", 2), "not-a-checkpoint")
_safetensors("header_of_2_gigabytes", _with_header({}, length=1 << 31), "unsafe-archive")
_safetensors("header_beyond_the_file", _with_header({KEY: _entry()}, length=1 << 20))
_safetensors("deep_header", _with_header(b'{"a":' + b"[" * 90_000))
_safetensors("not_json", _with_header(b"{deconv_layers_"))
_safetensors("list", _with_header(b"[1]"), "not-a-checkpoint")
_safetensors("other_network", _with_header({"w": _entry()}), "not-a-checkpoint")
_safetensors("numbers_as_metadata", _with_header({"__metadata__": {"epoch": 1}, KEY: _entry()}))
_safetensors("entry_is_text", _with_header({KEY: "F32"}))
_safetensors("unknown_type", _with_header({KEY: _entry("X9")}))
_safetensors("offsets_beyond", _with_header({KEY: _entry(offsets=(0, 4000))}))
_safetensors("offsets_reversed", _with_header({KEY: _entry(offsets=(24, 0))}))
_safetensors("overlap", _with_header({KEY: _entry(), "b": _entry()}))
_safetensors("shape_too_large", _with_header({KEY: _entry(shape=(1 << 40, 1 << 40))}))
_safetensors("negative_shape", _with_header({KEY: _entry(shape=(-6,))}))
_safetensors("half", _with_header({KEY: _entry("F16", (12,))}), "wrong-layout")
_safetensors(
    "terminal_codes",
    _with_header({KEY: _entry("F32", (0,), (0, 0)), "\x1b[2J": _entry()}),
    "unsafe-archive",
)
_safetensors("terminal_codes_first", _with_header({"\x1b[2J": _entry()}), "not-a-checkpoint")
