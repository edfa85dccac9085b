"""The reports show all results, and escape every text from outside.

The golden pages are in ``__snapshots__``; after a change of the templates, look at the difference
and record them again: ``python -m pytest tests/library/pages --snapshot-update``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.__main__ import main
from convnextpose_check.pages import write_pages
from convnextpose_check.pages.html import (
    BEGIN,
    END,
    render_markdown,
    render_page,
    render_summary,
)
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import add_decision
from convnextpose_check.results.per_sample import JOINT_COLUMNS
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import (
    OUTCOMES,
    THROUGHPUT,
    BaselineRecord,
    CheckRecord,
    DatasetRecord,
    Deviation,
    FileRecord,
    Results,
    VariantResult,
)
from convnextpose_check.results.text import format_terminal_table
from tests.support.results import (
    example_examples,
    example_results,
    example_variant,
    example_weights,
)

pytest.importorskip("syrupy")

from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

HOSTILE = '"><script>alert(1)</script>|`*_\n# [x](javascript:y)'


class HtmlFile(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "html"


class MarkdownFile(HtmlFile):
    file_extension = "md"


class TextFile(HtmlFile):
    file_extension = "txt"


def make_distinct_variant(index: int, **changes: Any) -> VariantResult:
    """A variant's record in which every value is unique, also among other indices."""
    error_mm = (56.123, 52.456, 49.789)[index]
    fields: dict[str, Any] = {
        "interval_mm": (error_mm - 1.5 - index, error_mm + 2.25 + index),
        "parameters": 3_000_001 + 1_000_010 * index,
        "state_elements": 3_200_002 + 1_000_010 * index,
        "gmacs": 0.811 + 1.1 * index,
        "file": f"file_{index}.tar",
        "sha256": f"{index + 1:x}" * 64,
        "images_sha256": f"{index + 10:x}" * 64,
        "epoch": 71 + index,
        "batch_size": 16 + index,
        "without_misaligned_mm": 46.111 + index,
        "per_action_mm": {"Directions": 100.1 + 20.3 * index, "Eating": 90.2 + index},
        "per_joint_mm": {"Pelvis": 0.0, "R_Hip": 80.3 + 7 * index, "Nose": 30.4 + index},
        "identity": ("verified", "not verified", "contradicted")[index],
        "identity_reason": f"reason {index}",
        "training_record": f"epoch {index}; story {index}",
        "examples": (),
    }
    reference_mm = (55.012, 54.345, 45.678)[index]
    return example_variant(error_mm, reference_mm, **{**fields, **changes})


def make_speeds(speeds: dict[str, float]) -> tuple[CheckRecord, ...]:
    return tuple(
        CheckRecord(f"test_throughput[{name}]", "passed", speed, unit=THROUGHPUT, variant=name)
        for name, speed in speeds.items()
    )


def make_failing_results() -> Results:
    """Results that use every part of a report."""
    one_check_of_each = tuple(
        CheckRecord(
            f"test_counts.py::test_claim_{number}[published-XS]", outcome, 1000.5 + number,
            2000.25 + number, -999.75 - number, f"unit{number}", f"message {number}",
            tolerance_mm=number or None, variant="XS",
        )
        for number, outcome in enumerate(OUTCOMES)
    )  # fmt: skip
    others = (
        CheckRecord("test_preflight.py::test_memory_is_free[published]", "passed", "9 GB"),
        CheckRecord("test_counts.py::test_claim_0[published-S]", "passed", 7, variant="S"),
        CheckRecord("test_a.py::test_b[S]", "failed", duplicate_of=one_check_of_each[-1].test),
    )
    long_values = tuple(
        CheckRecord(f"test_multiply_adds[{name}]", "passed", 2_794_962_944, variant=name)
        for name in ("XS", "S", "M", "L", "reference")
    )
    speeds = make_speeds({"XS": 601.5, "S": 701.8, "M": 802.1})
    deviations = (
        Deviation("XS", "GMACs", 1.125, 2.25, True),
        Deviation("S", "error (mm)", 50.5, 51.75, False),
        Deviation("M", "verdict", "excellent", "review", True),
    )
    repeated = tuple((f"copy_{number}.jpg", f"first_{number}.jpg") for number in range(5))
    results = example_results(
        variants={
            "XS": make_distinct_variant(
                0,
                unreadable={"it is cut off": 1},
                repeated_images=repeated,
                examples=example_examples(worst=2),
            ),
            "S": make_distinct_variant(1, per_joint_mm={"Head": 40.6}, key_prefix="_orig_mod."),
            "M": make_distinct_variant(
                2, reference=None, difference_mm=None, verdict=None, not_judged="no cup"
            ),
        },
        checks=(*one_check_of_each, *others, *long_values, *speeds),
        expected_variants=("XS", "S", "M", "L"),
        samples=8001,
        complete=False,
        dataset=DatasetRecord(
            "/data", "0" * 64, {"there is no such image": 12}, True, "RootNet's file",
            {"take 1": 1},
            "a paper",
        ),
        baseline=BaselineRecord("old.json", "yesterday", 3.0, deviations, ()),
        network="factory:build",
    )  # fmt: skip
    return add_decision(results, ["test_c[XS] was not run"], "an-id")


def make_weights_results() -> Results:
    names = FileRecord.__struct_fields__
    records = {
        name: FileRecord(**{field: getattr(make_distinct_variant(index), field) for field in names})
        for index, name in enumerate(("XS", "S", "M"))
    }
    return add_decision(example_weights(weights=records, expected_variants=tuple(records)), (), "")


def make_synthetic_results() -> Results:
    """A trained model with saved frames, and a seeded one that is off."""
    *framed, without_frame = example_examples(worst=2)
    examples = (*(replace(example, crop_jpeg="/9j/4AAQ") for example in framed), without_frame)
    equal_mm = {"Head": 30.0, "Neck": 30.0}
    variants = {
        "reference": example_variant(
            29.96, 29.96, "recorded", 0.02, examples=examples, per_joint_mm=equal_mm
        ),
        "XS": example_variant(700.03125, 700.0, "recorded", 0.02),
    }
    return add_decision(example_results("synthetic", variants=variants), (), "")


def make_own_results() -> Results:
    small_mm = {"Head": 0.5, "Neck": 0.9}
    variants = {
        "T": example_variant(54.5, 50.0, "own file", per_joint_mm=small_mm, per_action_mm={}),
        "U": example_variant(
            45.0, 50.0, "own file", per_joint_mm={}, per_action_mm={}, interval_mm=None
        ),
    }
    return add_decision(example_results(variants=variants, own_models=True), (), "")


ENVIRONMENT = {
    "started": "2026-01-02T03:04:05+00:00", "duration": "3 min 5 s", "commit": "a" * 40,
    "convnextpose_check": "0.3.0",
}  # fmt: skip
MANY = dict.fromkeys(
    ("V00", "V01", "V02", "V03", "V04", "V05", "V0600"),
    example_variant(50.0, 50.0, per_action_mm={"Eating": 50.0}, per_joint_mm={}, examples=()),
)
"""Their speeds do not fit in one line of the terminal."""

GOLDEN = {
    "passing": add_decision(
        example_results(variants={"XS": make_distinct_variant(0)}, environment=ENVIRONMENT), (), ""
    ),
    "failing": make_failing_results(),
    "weights": make_weights_results(),
    "nothing": add_decision(example_results(variants={}, expected_variants=("XS",)), (), ""),
    "synthetic": make_synthetic_results(),
    "own": make_own_results(),
    "many": add_decision(
        example_results(
            variants=MANY, gate_mm=None, checks=make_speeds(dict.fromkeys(MANY, 695.6))
        ),
        (),
        "",
    ),
}


@pytest.mark.parametrize("results", GOLDEN.values(), ids=GOLDEN)
def test_html_summary_is_the_golden_one(results: Results, snapshot: SnapshotAssertion) -> None:
    assert render_summary(results, {}) == snapshot(extension_class=HtmlFile)


@pytest.mark.parametrize("results", GOLDEN.values(), ids=GOLDEN)
def test_markdown_is_the_golden_one(results: Results, snapshot: SnapshotAssertion) -> None:
    assert render_markdown(results) == snapshot(extension_class=MarkdownFile)


@pytest.mark.parametrize("results", GOLDEN.values(), ids=GOLDEN)
def test_terminal_table_is_the_golden_one(results: Results, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(format_terminal_table(results)) == snapshot(extension_class=TextFile)


def make_hostile_results() -> Results:
    """Results in which every untrusted text contains markup."""
    variant = example_variant(
        57.0, 56.61,
        file=HOSTILE, sha256=HOSTILE, form=HOSTILE, unreadable={HOSTILE: 1},
        per_action_mm={HOSTILE: 1.0, "b": 2.0}, per_joint_mm={HOSTILE: 1.0, "b": 2.0},
        examples=tuple(
            replace(e, file_name=HOSTILE, action=HOSTILE, crop_jpeg=HOSTILE)
            for e in example_examples()
        ),
    )  # fmt: skip
    reference = replace(variant.reference, source=HOSTILE)  # type: ignore[type-var]
    return example_results(
        verdict=HOSTILE,
        device=HOSTILE,
        environment={"command": HOSTILE},
        settings=(HOSTILE,),
        dataset=DatasetRecord(HOSTILE, HOSTILE, {HOSTILE: 1}, False),
        checks=(CheckRecord(test=HOSTILE, outcome="failed", obtained=HOSTILE, message=HOSTILE),),
        left_out=(HOSTILE,),
        variants={
            "XS": replace(variant, reference=reference),
            "S": example_variant(57.0, None, not_judged=HOSTILE),
        },
    )


def test_render_hostile_texts_are_escaped() -> None:
    """Markdown is rendered as on GitHub, but without sanitized HTML."""
    import markdown_it

    html = render_summary(make_hostile_results(), {})
    parser = markdown_it.MarkdownIt("gfm-like", {"linkify": False, "html": True})
    from_markdown = str(parser.render(render_markdown(make_hostile_results())))

    tags = re.findall(r"<(\w+)", from_markdown)
    assert "<script" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 20
    assert not set(tags) & {"script", "a", "em", "img"}
    assert [tag for tag in tags if tag in ("h1", "h2")] == ["h1", "h2"]
    assert from_markdown.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 12


def test_render_page_has_verdict_as_title_and_generator_at_its_foot() -> None:
    results = GOLDEN["passing"]
    generated = "<p>Report generated on Monday\nby pytest-html</p>"

    page = render_page(results, {}, f"<title>old</title>{generated}{BEGIN}{END}<body></body>")

    assert page.startswith(f"<title>{results.verdict}</title>{BEGIN}")
    assert page.endswith(f"<footer>{generated}</footer></body>")
    assert f"<title>{results.verdict}</title>" in render_page(results, {}, None)


def test_report_command_draws_pages_from_files(tmp_path: Path) -> None:
    results = add_decision(example_results(variants={"XS": example_variant(57.0, 56.61)}), (), "")
    outputs = Outputs(tmp_path)
    write_results(results, outputs.results)
    rows = [f"XS,Posing{f',{50 + i * i}' * len(JOINT_COLUMNS)}" for i in range(20)]
    header = ",".join(("variant", "action", *JOINT_COLUMNS))
    outputs.per_sample.write_text("\n".join([header, *rows]) + "\n")
    outputs.report.write_text(f"<body>{BEGIN}earlier{END}tests</body>")

    assert main(["report", str(tmp_path)]) == 0

    page = outputs.report.read_text()
    assert page.startswith(f"<body>{BEGIN}<style>")
    assert page.endswith(f"{END}tests</body>")
    assert "Distribution of the sample errors" in page
    assert all(archive.stat().st_size > 1000 for archive in outputs.archives[:1])
    assert outputs.markdown.read_text() == render_markdown(results)
    assert outputs.picture.stat().st_size > 10_000


def test_write_pages_without_samples_writes_page(tmp_path: Path) -> None:
    results, outputs = GOLDEN["weights"], Outputs(tmp_path)

    write_pages(results, outputs, outputs.report, None)

    assert outputs.report.read_text() == render_page(results, {}, None)
    assert not outputs.picture.exists()
