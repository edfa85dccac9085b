"""What was named of each fault, as it is recorded, and the table of it in this folder's README."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from convnextpose_check.files.whole import write_text
from convnextpose_check.miniature.reference import miniature_catalogue

CONFUSION_FILE = Path(__file__).with_name("confusion.json")
BEGIN, END = "<!-- named: written by tests.faults.confusion -->", "<!-- end of named -->"
MODELS = miniature_catalogue().names
MOVES_MM = 1.0
"""Faults that move the error by less are not asked about."""

RIGHT: dict[str, str] = {
    "another training of the same variant": "weights",
    "one tensor transposed": "weights",
    "one head layer left at its initial values": "weights",
    "trained further on other data": "weights",
    "32 depth bins": "own-network",
    "BatchNorm without buffers": "batch-statistics own-network",
    "BatchNorm's eps is 1e-3": "eps",
    "align_corners=False in both networks": "corners-not-aligned",
    "two upsamplings": "upsamplings",
    "three upsamplings": "upsamplings",
    "soft-argmax of the fast network counts from 1": "shifted-cells own-network",
    "every 63rd frame": "subset",
    "half of the samples": "subset",
    "joints of the next test frame": "other-frame",
    "one image replaced by another": "copied-image",
    "one image cut off": "subset",
    "EXIF orientation applied": "subset",
    "margin of 1.2": "box-margin box-scale",
    "box not squared": "box-not-squared",
    "RootNet's boxes grown once more": "box-margin box-scale",
    "pixels divided by 255": "divided-by-255",
    "blue first": "blue-first",
    "mean and std swapped": "mean-and-std",
    "cubic interpolation": "interpolation",
    "border repeated instead of black": "border",
    "left and right not swapped": "flip-not-swapped",
    "x becomes W - x, without - 1": "shifted-cells",
    "flip test left out": "flip-left-out",
    "shift of half a cell": "shifted-cells",
    "depth of 1.1 m before and behind the root": "depth-range",
    "roots not subtracted": "roots-kept",
    "thorax not dropped": "thorax-counted",
    "aligned with scale": "aligned-with-scale",
    "aligned under protocol 2": "aligned",
    "joints compared with their mirror images": "mirrored-joints",
    "mean of actions, not of samples": "mean-of-actions",
    "the root joint left out": "root-left-out",
    "summed in half precision": "half-precision-sum",
    "root of the mean square": "root-mean-square",
    "median instead of mean": "median",
    "weights rounded to half precision": "half-precision",
}
"""The causes that are right for each fault that may move the error, by its title."""


def is_held_out(title: str) -> bool:
    """Whether it is one of the tenth that was not looked at while causes were written."""
    return hashlib.sha256(title.encode()).digest()[0] % 10 == 0


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was named of a fault, put into a model and a data set of this seed."""

    fault: str
    model: str
    seed: int
    moved_mm: float
    named: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether the fault was not looked at while causes were written."""
        return is_held_out(self.fault)

    @property
    def is_right(self) -> bool:
        """Whether the first cause is right."""
        return bool(self.named) and self.named[0] in RIGHT[self.fault].split()


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was named of two faults at once."""

    one: str
    two: str
    moved_mm: float
    named: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether both are named."""
        return all(set(self.named) & set(RIGHT[fault].split()) for fault in (self.one, self.two))


class Confusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was measured; ``sound`` are runs without a fault, and of how many one was named."""

    rows: tuple[Row, ...] = ()
    pairs: tuple[Pair, ...] = ()
    sound: tuple[int, int] = (0, 0)


def read_confusion() -> Confusion:
    """What is recorded; nothing before the first time."""
    if not CONFUSION_FILE.exists():
        return Confusion()
    return msgspec.json.decode(CONFUSION_FILE.read_bytes(), type=Confusion)


def write_confusion(found: Confusion) -> None:
    """Record it, and write the table in the README."""
    content = msgspec.json.format(msgspec.json.encode(found), indent=1).decode()
    write_text(CONFUSION_FILE, content + "\n")
    readme = Path(__file__).with_name("README.md")
    write_text(readme, with_named(readme.read_text(encoding="utf-8"), found))


def with_row(found: Confusion, row: Row) -> Confusion:
    """The same with this row, in the place of an earlier one."""
    key = (row.fault, row.model, row.seed)
    others = [each for each in found.rows if (each.fault, each.model, each.seed) != key]
    return msgspec.structs.replace(found, rows=(*others, row))


def with_named(readme: str, found: Confusion) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{named_markdown(found)}\n{END}{after}"


def named_markdown(found: Confusion) -> str:
    """How often the first cause is right, and what each fault is taken for."""
    looked_at = [row for row in found.rows if not row.held_out]
    held_out = [row for row in found.rows if row.held_out]
    lines = [
        "| of | named rightly | in all |",
        "|---|--:|--:|",
        _summary("faults that move the error by 1 mm or more, the first cause", looked_at),
        _summary("the tenth that was held out, the first cause", held_out),
        _summary("two faults at once, both", found.pairs),
        f"| sound runs of performances drawn anew, none | {found.sound[0] - found.sound[1]} |"
        f" {found.sound[0]} |",
        "",
        "| first cause, by model | named rightly | in all |",
        "|---|--:|--:|",
        *(_summary(model, [r for r in found.rows if r.model == model]) for model in MODELS),
        "",
        "| fault | right | models and seeds | rightly | named first |",
        "|---|---|--:|--:|---|",
    ]
    for fault in dict.fromkeys(row.fault for row in found.rows):
        rows = [row for row in found.rows if row.fault == fault]
        first = Counter(row.named[0] if row.named else "nothing" for row in rows)
        told = ", ".join(f"{name} {count}" for name, count in first.most_common())
        mark = " (held out)" if rows[0].held_out else ""
        right = sum(row.is_right for row in rows)
        lines.append(f"| {fault}{mark} | {RIGHT[fault]} | {len(rows)} | {right} | {told} |")
    return "\n".join(lines) + "\n"


def _summary(what: str, found: Iterable[Row] | Iterable[Pair]) -> str:
    right = [each.is_right for each in found]
    share = f" ({sum(right) / len(right):.0%})" if right else ""
    return f"| {what} | {sum(right)}{share} | {len(right)} |"
