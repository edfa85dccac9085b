"""Tables of a page, read by the titles of their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Cell:
    """A cell's text, its attributes, and the classes inside it."""

    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)


@dataclass
class Table:
    """A table whose first row holds the titles; the first cell of each other row names it."""

    caption: str = ""
    rows: list[list[Cell]] = field(default_factory=list)

    @property
    def titles(self) -> list[str]:
        """The titles of all columns but the first."""
        return [cell.text for cell in self.rows[0]][1:]

    @property
    def cells(self) -> dict[str, dict[str, Cell]]:
        """The cells by row name and column title; rows of another width are left out."""
        width = len(self.rows[0])
        return {
            row[0].text: dict(zip(self.titles, row[1:], strict=True))
            for row in self.rows[1:]
            if len(row) == width
        }

    @property
    def texts(self) -> dict[str, dict[str, str]]:
        """The cells' texts by row name and column title."""
        return {
            name: {title: cell.text for title, cell in row.items()}
            for name, row in self.cells.items()
        }


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.cell: Cell | None = None
        self.in_caption = self.in_popover = self.in_picture = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "table":
            self.tables.append(Table())
        elif tag == "caption":
            self.in_caption = True
        elif tag == "tr":
            self.tables[-1].rows.append([])
        elif tag in ("td", "th"):
            self.cell = Cell(attributes=attributes)
            self.tables[-1].rows[-1].append(self.cell)
        elif tag == "svg":
            self.in_picture = True
        elif self.cell is not None:
            self.in_popover = self.in_popover or "popover" in attributes
            if not self.in_popover:
                self.cell.classes += attributes.get("class", "").split()

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.in_caption = False
        elif tag == "svg":
            self.in_picture = False
        elif tag in ("td", "th"):
            self.cell, self.in_popover = None, False

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if self.in_caption:
            self.tables[-1].caption += text
        elif text and self.cell is not None and not (self.in_popover or self.in_picture):
            self.cell.text = f"{self.cell.text} {text}".strip()


def html_tables(page: str) -> list[Table]:
    """The tables of an HTML page; popovers and pictures in a cell are left out."""
    reader = _Reader()
    reader.feed(page)
    return reader.tables


def markdown_tables(text: str) -> list[Table]:
    """The tables of a Markdown page, their cells without emphasis and escapes."""
    tables: list[Table] = []
    is_inside = False
    for line in text.splitlines():
        if not line.startswith("|"):
            is_inside = False
            continue
        if not is_inside:
            tables.append(Table())
            is_inside = True
        texts = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not all(re.fullmatch(":?-+:?", cell) for cell in texts):
            tables[-1].rows.append(
                [Cell(re.sub(r"\\(.)", r"\1", cell.replace("**", ""))) for cell in texts]
            )
    return tables


def table_with(tables: list[Table], *titles: str) -> Table:
    """The only table that has these columns."""
    (found,) = [table for table in tables if set(titles) <= set(table.titles)]
    return found
