"""The page shows numbers that add up, on one scale; undecodable file names are replaced."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from convnextpose_check.diagnosis.finding import Diagnosis, Finding, write_diagnoses


def test_diagnosis_page_numbers_add_up_on_one_scale(tmp_path: Path) -> None:
    # Rounded one by one, these parts would add up to 4.69 instead of 4.70.
    parts = {"mean": 0.004, "<comparison>": -0.798, "positions": 5.494}
    findings = [
        Finding("explains", "comparison", "joints exchanged", "evidence", "Remedy", 4.28),
        Finding("holds", "inputs", "in a group", "evidence", "Remedy", 2.0),
    ]
    found = Diagnosis("XS", 56.61 + sum(parts.values()), 56.61, "link", parts, findings)

    _, page = write_diagnoses([found], tmp_path)

    row = r"<tr><td>(.+?)<td>(.+?) mm<td><i class=.(\w+)..+?left:(.+?)%;width:(.+?)%"
    rows = re.findall(row, page.read_text(encoding="utf-8"))
    assert [(text, number, kind) for text, number, kind, *_ in rows] == [
        ("expected", "56.61", "total"),
        ("mean", "+0.00", "more"),
        ("&lt;comparison&gt;", "-0.79", "less"),
        ("positions", "+5.49", "more"),
        ("measured", "61.31", "total"),
        ("with the correction: joints exchanged", "57.03", "total"),
    ]
    assert sum(float(number) for _, number, *_ in rows[:4]) == pytest.approx(61.31)
    ends = [(float(left), float(left) + float(width)) for *_, left, width in rows]
    assert ends[0][0] == ends[1][0] == ends[2][1] > ends[2][0] == ends[3][0] == 0
    assert ends[3][1] == ends[4][0] == 100 > ends[5][0] > ends[0][0]
    assert "<b>55.82</b><b>61.31</b>" in page.read_text(encoding="utf-8")


def test_write_diagnoses_undecodable_file_name_is_replaced(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    finding = Finding("fact", "inputs", f"{name} is a copy", "both are equal", "Download it again")
    diagnosis = Diagnosis("XS", 60.0, 56.61, f"images such as {name}", {}, [finding])

    json_file, page = write_diagnoses([diagnosis], tmp_path)

    assert json.loads(json_file.read_bytes())[0]["findings"][0]["what"] == "caf\ufffd.jpg is a copy"
    assert "caf\\udce9.jpg" in page.read_text(encoding="utf-8")
