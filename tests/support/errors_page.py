"""The page that says what each error's code means: ``python -m tests.support.errors_page``.

Writes the package's ``ERRORS.md`` from the table in ``errors.py``.
"""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.errors import MEANINGS

PAGE = Path(__file__).parents[2] / "convnextpose_check" / "ERRORS.md"

BEGINNING = """\
# What the codes of errors mean

A mistake or a failed check begins with its code, as in `[wrong-variant]`, and goes on with what is
wrong, where, and how to mend it. Codes are stable: a script may tell errors apart by them. They
stand in [`errors.py`](errors.py); this page is written by `python -m tests.support.errors_page`.

| code | meaning |
|---|---|
"""


def errors_page() -> str:
    """The page in Markdown, with a row for each code."""
    return BEGINNING + "".join(f"| `{code}` | {told} |\n" for code, told in MEANINGS.items())


if __name__ == "__main__":
    PAGE.write_text(errors_page(), encoding="utf-8")
