"""Safetensors files with false headers or other content."""

from __future__ import annotations

import json
import struct
from typing import Any

import torch
from safetensors.torch import save

from tests.hostile.cases import add

KEY = "module.head.deconv_layers_1.dwconv.weight"
ENTRY = {"dtype": "F32", "shape": (6,), "data_offsets": (0, 24)}


def _with_header(header: Any, length: int | None = None) -> bytes:
    """A file with this header, written as JSON unless it is bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(24)


for _name, _content, _code in (
    ("cut", save({KEY: torch.ones(6)})[:-1], "damaged"),
    ("header_of_2_gigabytes", _with_header({}, length=1 << 31), "unsafe-archive"),
    ("deep_header", _with_header(b'{"a":' + b"[" * 90_000), "damaged"),
    ("not_json", _with_header(b"{deconv_layers_"), "damaged"),
    ("metadata", _with_header({"__metadata__": {"epoch": 1}, KEY: ENTRY}), "damaged"),
    ("terminal_codes", _with_header({"\x1b[2J": ENTRY}), "unsafe-archive"),
):
    add(f"safetensors_{_name}", _content, _code)
