"""Each value stands under its own title: on these pages no two values are alike."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.human36m.skeleton import ACTIONS, JOINTS
from convnextpose_check.pages import summary_of
from convnextpose_check.pages.html import summary_html
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.paths import Outputs
from convnextpose_check.results.schema import (
    BaselineRecord,
    CheckRecord,
    DatasetRecord,
    Deviation,
    DisplacedRecord,
    FileRecord,
    ProvenanceRecord,
    Results,
    VariantResult,
)
from tests.support.results import example_results, example_variant, example_weights
from tests.support.tables import html_tables, markdown_tables, table_with

NAMES = ("XS", "S", "M")
GOOD, BAD, NONE, WARNING = (
    "\N{CHECK MARK}",
    "\N{BALLOT X}",
    "\N{WHITE CIRCLE}",
    "\N{WARNING SIGN}",
)


def variant(name: str) -> VariantResult:
    """A variant's record without two equal values, nor one that another variant has."""
    i = NAMES.index(name)
    error_mm = (56.123, 52.456, 49.789)[i]
    return example_variant(
        error_mm,
        (55.012, 54.345, 45.678)[i],
        interval_mm=(error_mm - 1.5 - i, error_mm + 2.25 + i),
        verdict=("acceptable", "very good", "review")[i],
        reference_kind="paper",
        reference_source=f"table {i + 4}",
        parameters=3_000_001 + 1_000_010 * i,
        state_elements=3_200_002 + 1_000_010 * i,
        gmacs=0.811 + 1.1 * i,
        images_per_second=601.5 + 100.3 * i,
        seconds=11.5 + 20.2 * i,
        reading_seconds=311.5 + 20.2 * i,
        file=f"{name}.tar",
        sha256=f"{i + 1:x}" * 64,
        images_sha256=f"{i + 10:x}" * 64,
        epoch=71 + i,
        batch_size=16 + i,
        without_displaced_mm=46.111 + i,
        per_action_mm={a: 100.1 + 20.3 * i + k for k, a in enumerate(ACTIONS.values())},
        per_joint_mm={j: 200.2 + 20.4 * i + k for k, j in enumerate(JOINTS[:17])},
        identity=("verified", "not verified", "contradicted")[i],
        identity_reason=f"reason {i}",
        provenance=ProvenanceRecord(f"epoch said {i}", f"story {i}", None, f"bits {i}", ""),
    )


@pytest.fixture(scope="module")
def results() -> Results:
    return example_results(
        variants={name: variant(name) for name in NAMES},
        dataset=DatasetRecord(
            "/data", "0" * 64, {}, False, displaced=DisplacedRecord({"take 1": 7}, "somebody")
        ),
        samples=8001,
        expected_samples=8695,
    )


@pytest.fixture(scope="module")
def page(results: Results) -> str:
    return summary_html([(results, {})])


def test_values_of_the_example_are_all_different(results: Results) -> None:
    values = [
        value
        for record in results.variants.values()
        for value in (
            f"{record.error_mm:.1f}", f"{record.reference_mm:.1f}",
            f"{record.difference_mm or 0.0:.1f}",
            *(f"{mm:.1f}" for mm in record.interval_mm or ()),
            str(record.parameters), str(record.state_elements), f"{record.gmacs:.1f}",
            f"{record.images_per_second:.1f}", f"{record.seconds:.1f}", str(record.epoch),
            f"{record.reading_seconds:.1f}", f"{record.without_displaced_mm:.1f}",
            *(f"{mm:.1f}" for mm in record.per_action_mm.values()),
            *(f"{mm:.1f}" for mm in record.per_joint_mm.values()),
            record.sha256, record.images_sha256, record.file, record.verdict,
        )
    ]  # fmt: skip

    assert sorted(values) == sorted(set(values))


EXPECTED = {
    "XS": {
        "error": "56.123", "expected": "55.012", "difference": "+1.111",
        "interval": "-0.39 to +3.36", "verdict": "\N{ALMOST EQUAL TO} acceptable",
        "parameters": "3,000,001", "state dict": "3,200,002", "GMACs": "0.811",
        "images/s": "601.5", "seconds": "11.5",
    },
    "S": {
        "error": "52.456", "expected": "54.345", "difference": "-1.889",
        "interval": "-4.39 to +1.36", "verdict": f"{GOOD} very good",
        "parameters": "4,000,011", "state dict": "4,200,012", "GMACs": "1.911",
        "images/s": "701.8", "seconds": "31.7",
    },
    "M": {
        "error": "49.789", "expected": "45.678", "difference": "+4.111",
        "interval": "+0.61 to +8.36", "verdict": f"{BAD} review",
        "parameters": "5,000,021", "state dict": "5,200,022", "GMACs": "3.011",
        "images/s": "802.1", "seconds": "51.9",
    },
}  # fmt: skip
"""What the tables show of each variant."""


def test_table_of_variants_has_each_value_under_its_title(results: Results, page: str) -> None:
    table = table_with(html_tables(page), "Expected", "Verdict")

    assert table.texts == {
        name: {
            "MPJPE": shown["error"],
            "Expected": f"{shown['expected']} {results.variants[name].reference_source}",
            "Difference and 95 % interval": f"{shown['difference']} {shown['interval']}",
            "Verdict": shown["verdict"],
            "Parameters": f"{shown['parameters']} {shown['state dict']} in the state dict",
            "GMACs": shown["GMACs"],
            "Images/s": shown["images/s"],
            "Seconds": shown["seconds"],
            "Checkpoint": f"{name}.tar sha256 {results.variants[name].sha256} "
            f", epoch {results.variants[name].epoch}",
        }
        for name, shown in EXPECTED.items()
    }
    for row in table.cells.values():
        for title, cell in row.items():
            assert title.partition(" and ")[0] == cell.attributes["data-label"]


def test_markdown_tables_have_each_value_under_its_title(results: Results) -> None:
    tables = markdown_tables(markdown(results))

    assert table_with(tables, "verdict").texts == {
        name: {
            "MPJPE (mm)": shown["error"],
            "expected": shown["expected"],
            "difference": shown["difference"],
            "95 % interval": shown["interval"],
            "verdict": shown["verdict"],
        }
        for name, shown in EXPECTED.items()
    }
    assert table_with(tables, "state dict").texts == {
        name: {
            **{t: shown[t] for t in ("parameters", "state dict", "GMACs", "images/s", "seconds")},
            "checkpoint": f"{name}.tar, epoch {results.variants[name].epoch},"
            f" sha256 {results.variants[name].sha256[:12]}",
        }
        for name, shown in EXPECTED.items()
    }
    assert table_with(tables, "without them").texts == {
        name: {
            "MPJPE with them (mm)": shown["error"],
            "without them": f"{results.variants[name].without_displaced_mm:.3f}",
        }
        for name, shown in EXPECTED.items()
    }
    assert table_with(tables, *NAMES).texts == {
        action: {name: f"{results.variants[name].per_action_mm[action]:.1f}" for name in NAMES}
        for action in ACTIONS.values()
    }


def test_heat_tables_have_each_error_under_its_variant(results: Results, page: str) -> None:
    tables = {table.caption: table for table in html_tables(page)}

    for caption, field in (
        ("Error by action (mm)", "per_action_mm"),
        ("Error by joint (mm)", "per_joint_mm"),
    ):
        errors_mm = {name: getattr(results.variants[name], field) for name in NAMES}
        low, high = errors_mm["XS"].values(), errors_mm["M"].values()
        for name in NAMES:
            for row, mm in errors_mm[name].items():
                cell = tables[caption].cells[row.replace("_", " ")][name]
                heat = (mm - min(low)) / (max(high) - min(low)) * 0.55
                assert cell.text == f"{mm:.1f}"
                shown = float(cell.attributes["style"].removeprefix("--heat:"))
                assert shown == pytest.approx(heat, abs=0.0006)
        assert len(tables[caption].rows) == 1 + len(errors_mm["XS"])


def test_heat_table_marks_a_value_that_a_variant_does_not_have() -> None:
    variants = {
        "XS": example_variant(57.0, 56.61, per_joint_mm={"Pelvis": 0.0, "Head": 30.0}),
        "S": example_variant(51.0, 51.8, per_joint_mm={"Pelvis": 0.0, "Neck": 50.0, "Head": 40.0}),
        "M": example_variant(51.1, 51.8, per_joint_mm={}),
    }
    page = summary_html([(example_results(variants=variants), {})])

    (table,) = [t for t in html_tables(page) if t.caption == "Error by joint (mm)"]
    assert table.texts == {
        "Pelvis": {"XS": "0.0", "S": "0.0", "M": "-"},
        "Head": {"XS": "30.0", "S": "40.0", "M": "-"},
        "Neck": {"XS": "-", "S": "50.0", "M": "-"},
    }
    heats = {
        (row, name): cell.attributes.get("style")
        for row, cells in table.cells.items()
        for name, cell in cells.items()
    }
    assert heats["Pelvis", "XS"] == "--heat:0.0"
    assert heats["Head", "XS"] == "--heat:0.0"
    assert heats["Head", "S"] == "--heat:0.275"
    assert heats["Neck", "S"] == "--heat:0.55"


def test_heat_table_of_equal_errors_is_cold() -> None:
    variants = {"XS": example_variant(57.0, 56.61, per_joint_mm={"Head": 30.0, "Neck": 30.0})}
    page = summary_html([(example_results(variants=variants), {})])

    (table,) = [t for t in html_tables(page) if t.caption == "Error by joint (mm)"]
    assert {c.attributes["style"] for row in table.cells.values() for c in row.values()} == {
        "--heat:0.0"
    }


def test_heat_table_shows_errors_below_a_millimetre() -> None:
    variants = {"XS": example_variant(57.0, 56.61, per_joint_mm={"Head": 0.5, "Neck": 0.9})}
    page = summary_html([(example_results(variants=variants), {})])

    (table,) = [t for t in html_tables(page) if t.caption == "Error by joint (mm)"]
    assert [row["XS"].attributes["style"] for row in table.cells.values()] == [
        "--heat:0.0",
        "--heat:0.55",
    ]


def test_displaced_and_provenance_have_each_value_under_its_name(
    results: Results, page: str
) -> None:
    terms = dict(re.findall(r"<dt>([^<]*)</dt><dd>(.*?)</dd>", page))
    rows = {row[0].text: row[1].text for row in markdown_tables(markdown(results))[-1].rows[1:]}

    for i, name in enumerate(NAMES):
        record = results.variants[name]
        said = f"{name}: 4{6 + i}.111 mm without them, {record.error_mm:.3f} mm with them."
        assert f"<li>{said}</li>" in page
        assert f"; batch {record.batch_size}" in terms[name]
        assert f"read in {record.reading_seconds:.1f} s" in terms[name]
        assert record.images_sha256 in terms[name]
        assert f"reason {i}" in terms[f"Identity of {name}"]
        assert terms[f"Origin of {name}"] == f"epoch said {i}; story {i}; bits {i}"
        assert rows[f"identity of {name}"].endswith(f"{record.identity}: reason {i}")
        assert rows[f"origin of {name}"] == f"epoch said {i}; story {i}; bits {i}"
    assert terms["Samples"] == "8,001 of 8,695"
    assert (terms["Protocol"], terms["Boxes"], terms["Flip test"]) == ("2", "gt", "on")
    assert "8,001 of 8,695 samples" in html.unescape(markdown(results))


OUTCOMES = {
    "passed": ("good", GOOD),
    "not verified": ("none", NONE),
    "warning": ("fair", WARNING),
    "expected failure": ("none", NONE),
    "failed": ("bad", BAD),
    "skipped": ("none", NONE),
}


def checks() -> tuple[CheckRecord, ...]:
    """A check of each outcome for each variant, with values that no other check has."""
    return tuple(
        CheckRecord(
            f"test_counts.py::test_claim_{row}[published-{name}]",
            outcome,  # type: ignore[arg-type]
            obtained=(value := 1000.5 + 100 * row + 10 * column),
            expected=(expected := 2000.25 + 101 * row + 11 * column),
            difference=value - expected,
            unit=f"unit{row}{column}",
            message=f"message {row} {column}",
        )
        for row, outcome in enumerate(OUTCOMES)
        for column, name in enumerate(NAMES)
    )


def test_grid_has_each_outcome_at_its_claim_and_variant() -> None:
    page = summary_html([(example_results(checks=checks(), expected_variants=NAMES), {})])

    (table,) = [t for t in html_tables(page) if t.titles == list(NAMES) and not t.caption]
    assert list(table.cells) == [f"claim {row}" for row in range(len(OUTCOMES))]
    for row, (look, sign) in enumerate(OUTCOMES.values()):
        for name in NAMES:
            cell = table.cells[f"claim {row}"][name]
            assert (cell.text, cell.classes) == (sign, ["told", look])


def test_popover_has_each_value_under_its_name() -> None:
    page = summary_html([(example_results(checks=checks(), expected_variants=NAMES), {})])

    popovers = re.findall(r'<div popover id="([\w-]+)".*?>(.*?)</div>', page, re.DOTALL)
    assert len(popovers) == len(checks())
    for (ident, popover), check in zip(popovers, checks(), strict=True):
        terms = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", popover)
        look, sign = OUTCOMES[check.outcome]
        assert terms == [
            ("Obtained", f"{check.obtained:.3f} {check.unit}"),
            ("Expected", f"{check.expected:.3f} {check.unit}"),
            ("Difference", f"{check.difference:+.3f} {check.unit}"),
        ]
        assert f'<strong class="{look}">{sign} {check.outcome}</strong>' in popover
        assert check.message in popover
        assert f'data-test="{check.test}"' in popover
        button = re.search(rf'popovertarget="{ident}" aria-label="([^"]*)"', page)
        assert button is not None
        row, name = re.findall(r"test_claim_(\d)\[published-(\w+)\]", check.test)[0]
        assert button[1] == f"claim {row}, {name}: {check.outcome}"


def test_counts_of_checks_have_the_sign_of_their_outcome() -> None:
    results = example_results(checks=checks(), expected_variants=NAMES)
    found = re.findall(
        r'<strong class="(\w+)">(.) 3 ([\w ]+)</strong>', summary_html([(results, {})])
    )

    singular = {"warnings": "warning", "expected failures": "expected failure"}
    assert {singular.get(outcome, outcome): (look, sign) for look, sign, outcome in found} == (
        OUTCOMES
    )
    text = markdown(results)
    for outcome, (_, sign) in OUTCOMES.items():
        assert f"{sign} 3 {outcome}" in text


def test_grid_separates_claims_of_the_run_and_unknown_tests() -> None:
    ids = {
        "test_preflight.py::test_disk_is_free[published]": ("preflight", "disk is free"),
        "test_counts.py::test_claim_a[published-XS]": ("counts", "claim a"),
        "test_counts.py::test_claim_a[published-other]": ("counts", "claim a [published-other]"),
        "test_mpjpe.py::test_near[published-S-2mm]": ("mpjpe", "near, within 2 mm"),
        "test_mpjpe.py::test_near[published-S-within-5mm]": ("mpjpe", "near, within 5 mm"),
        "other": ("others", "other"),
    }
    records = tuple(
        CheckRecord(test, "passed", tolerance_mm=2 if "-2mm" in test else None) for test in ids
    )
    page = summary_html([(example_results(checks=records, expected_variants=NAMES), {})])

    (table,) = [t for t in html_tables(page) if t.titles == ["XS", "S"] and not t.caption]
    part, found = "", []
    for row in table.rows[1:]:
        if "part" in row[0].attributes.get("class", ""):
            part = row[0].text
        else:
            found.append((part, row[0].text, [cell.text for cell in row[1:]]))
    assert found == [
        ("preflight", "disk is free", [GOOD]),
        ("counts", "claim a", [GOOD, "-"]),
        ("counts", "claim a [published-other]", [GOOD]),
        ("mpjpe", "near, within 2 mm", ["-", GOOD]),
        ("mpjpe", "near, within 5 mm", ["-", GOOD]),
        ("others", "other", [GOOD]),
    ]
    assert re.findall(r'<div popover id="([^"]*)"', page) == [
        f"published-check-{number}" for number in range(1, 7)
    ]


DEVIATIONS = (
    Deviation("XS", "GMACs", 1.125, 2.25, 1.5, "not more", True),
    Deviation("S", "error (mm)", 50.5, 51.75, -4.125, "within 3 mm", False, (-6.5, 7.25)),
    Deviation("M", "verdict", "excellent", "review", None, "not worse", True),
)


def test_baseline_has_each_value_under_its_title(results: Results) -> None:
    baseline = BaselineRecord("old.json", "yesterday", 3.0, DEVIATIONS, ())
    compared = replace(results, baseline=baseline)
    html_table = table_with(html_tables(summary_html([(compared, {})])), "Before", "Now").texts
    text_table = table_with(markdown_tables(markdown(compared)), "before", "now").texts

    assert html_table == {
        "XS": {
            "Figure": "GMACs", "Before": "1.125", "Now": "2.250", "Difference": "+1.500",
            "Allowed": "not more", "Holds": "no",
        },
        "S": {
            "Figure": "error (mm)", "Before": "50.500", "Now": "51.750",
            "Difference": "-4.125 95 %: -6.500 to +7.250",
            "Allowed": "within 3 mm", "Holds": "yes",
        },
        "M": {
            "Figure": "verdict", "Before": "excellent", "Now": "review", "Difference": "",
            "Allowed": "not worse", "Holds": "no",
        },
    }  # fmt: skip
    assert text_table == {
        name: {
            title.lower(): cell.replace(" 95 %: -6.500 to +7.250", " (95 %: -6.500 to +7.250)")
            for title, cell in row.items()
        }
        for name, row in html_table.items()
    }


def test_weights_have_each_value_under_its_title(results: Results) -> None:
    weights = {
        name: FileRecord(**{f: getattr(record, f) for f in FileRecord.__struct_fields__})
        for name, record in results.variants.items()
    }
    judged = example_weights(weights=weights, expected_variants=NAMES)
    html_table = table_with(html_tables(summary_html([(judged, {})])), "Identity").texts
    text_table = table_with(markdown_tables(markdown(judged)), "identity").texts
    signs = dict(zip(NAMES, (GOOD, NONE, WARNING), strict=True))

    for i, (name, record) in enumerate(weights.items()):
        identity = f"{signs[name]} {record.identity}"
        common = {
            "parameters": EXPECTED[name]["parameters"],
            "gmacs": EXPECTED[name]["GMACs"],
            "epoch": str(record.epoch),
            "origin": f"epoch said {i}; story {i}; bits {i}",
        }
        sha256 = f"{name}.tar sha256 {record.sha256} , zip archive, modern head keys"
        shown = {title.lower(): cell for title, cell in html_table[name].items()}
        assert shown == common | {"identity": f"{identity} reason {i}", "checkpoint": sha256}
        shown = {title.lower(): cell for title, cell in text_table[name].items()}
        assert shown == common | {
            "identity": f"{identity}: reason {i}",
            "checkpoint": f"{name}.tar, sha256 {record.sha256}",
        }
    assert '<span class="chip good"><span aria-hidden="true">\N{CHECK MARK}</span> verified' in (
        summary_html([(judged, {})])
    )


def test_pairs_of_variants_have_the_sign_of_the_first_minus_the_second(
    results: Results, tmp_path: Path
) -> None:
    outputs = Outputs(tmp_path)
    by_name_mm = {
        "XS": np.linspace(50.0, 60.0, 20) ** 1.01,
        "S": np.linspace(41.0, 59.0, 20) ** 1.02,
        "M": np.linspace(30.0, 35.0, 20) ** 1.1,
    }
    rows = [
        f"{name},s_09_act_02_subact_{i:02}_ca_01_000001.jpg,{mm}"
        for name, errors_mm in by_name_mm.items()
        for i, mm in enumerate(errors_mm)
    ]
    outputs.per_sample.parent.mkdir()
    outputs.per_sample.write_text("\n".join(["variant,file_name,mean_mm", *rows]) + "\n")

    tables = html_tables(summary_of([(results, outputs)]))

    (table,) = [t for t in tables if "minus that of" in t.titles]
    shown = [[cell.text for cell in row] for row in table.rows[1:]]
    assert [row[:2] for row in shown] == [["XS", "S"], ["XS", "M"], ["S", "M"]]
    for one, other, difference, interval in shown:
        expected_mm = by_name_mm[one].mean() - by_name_mm[other].mean()
        low_mm, high_mm = map(float, interval.split(" to "))
        assert float(difference) == pytest.approx(expected_mm, abs=0.001)
        assert low_mm < expected_mm < high_mm
