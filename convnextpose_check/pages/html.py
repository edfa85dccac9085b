"""The reports of a run: a single HTML page, and Markdown for a pull request."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from convnextpose_check.evaluation.verdict import TOLERANCES_MM, format_difference
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import BONES, FLIP_PAIRS
from convnextpose_check.network.users import runs_code
from convnextpose_check.pages.charts import draw_distribution, format_css_variables
from convnextpose_check.results.decision import decide
from convnextpose_check.results.schema import CheckRecord, Example, Results
from convnextpose_check.results.text import (
    ICONS,
    Severity,
    format_comparison,
    format_interval,
    format_number,
    format_value,
    identity_badge,
    run_badge,
    variant_badge,
)
from convnextpose_check.text import format_count
from convnextpose_check.variants import INPUT_SIDE_PX

FOLDER = Path(__file__).parent
STYLE_SHEET = FOLDER / "report.css"
SCRIPT = FOLDER / "report.js"
"""Rotates the skeletons and folds pytest-html's table; the summary works without it."""
BEGIN, END = "<!-- ConvNeXtPose: begin -->", "<!-- ConvNeXtPose: end -->"
"""Markers around the summary in pytest-html's page."""

WAITING = "waiting"
"""A check that failed only because another one had failed."""

SEVERITIES: dict[str, Severity] = {
    "passed": "good",
    "not verified": "none",
    "warning": "fair",
    "expected failure": "none",
    "failed": "bad",
    "skipped": "none",
    WAITING: "none",
}
"""Severity of each state of a check, in the order of their counts in the report."""

CHECK_TITLES: dict[str, dict[str, str]] = json.loads((FOLDER / "checks.json").read_bytes())
"""Title of each validation test, by group and function."""

_RIGHT = {right for right, _ in FLIP_PAIRS}
_LEFT = {left for _, left in FLIP_PAIRS}


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    """The template environment, which escapes all values in ``.html.j2`` templates."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=format_number, value=format_value)
    environment.filters.update(difference=format_difference, md=escape_markdown)
    environment.globals.update(
        count=format_count,
        draw_3d_poses=draw_3d_poses,
        draw_crop_poses=draw_crop_poses,
        icons=ICONS,
        describe_test=describe_test,
        identity_badge=identity_badge,
        interval=format_interval,
        severities=SEVERITIES,
        state_of_check=state_of_check,
        tolerances_mm=TOLERANCES_MM,
        variant_badge=variant_badge,
    )
    return environment


def render_summary(results: Results, errors_mm: Mapping[str, Array]) -> str:
    """Render the summary of a run, which needs neither scripts nor other files.

    ``errors_mm`` has the sample errors (N,) of each variant, averaged over the joints.
    """
    featured = results.featured
    section = _render(
        "summary.html.j2",
        check_groups=group_checks(results),
        quote=format_quotation(results),
        has_images=any(e.crop_jpeg for record in featured.values() for e in record.examples),
        distribution=Markup(draw_distribution(results, errors_mm)),
        **shared_context(results),
    )
    return f"<style>{format_css_variables()}</style>\n{section}"


def render_page(results: Results, errors_mm: Mapping[str, Array], page: str | None) -> str:
    """Render the report as one self-contained page.

    The summary is put between the markers of pytest-html's ``page``, or into a separate page.
    """
    summary = Markup(render_summary(results, errors_mm))
    before, begin, rest = (page or "").partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        title = escape(results.verdict).replace("\\", r"\\")
        before = re.sub(
            r"(<title[^>]*>).*?(</title>)", rf"\g<1>{title}\g<2>", before, flags=re.DOTALL
        )
        if generated := re.search(
            r"<p>Report generated on .*?</p>", before, re.DOTALL
        ):  # to the foot of the page
            before = before.replace(generated[0], "")
            after = after.replace("</body>", f"<footer>{generated[0]}</footer></body>")
        return f"{before}{BEGIN}{summary}{END}{after}"
    style, script = (Markup(path.read_text(encoding="utf-8")) for path in (STYLE_SHEET, SCRIPT))
    page_parts = {"style": style, "script": script, "summary": summary}
    return _render("page.html.j2", title=results.verdict, **page_parts)


def shared_context(results: Results) -> dict[str, Any]:
    """The template values that the HTML and the Markdown report share."""
    states = Counter(state_of_check(check) for check in results.checks)
    repeated = Counter(check.duplicate_of for check in results.failed_checks)
    return {
        "results": results,
        "variants": results.variants,
        "featured": results.featured,
        "costs": list(
            filter(None, map(format_comparison, results.variants, results.variants.values()))
        ),
        "seeded": [name for name in results.variants if name not in results.featured],
        "verdict": run_badge(results),
        "trust_note": trust_note(results),
        "failures": [(c, repeated[c.test]) for c in results.failed_checks if not c.duplicate_of],
        "counts": {each: states[each] for each in SEVERITIES if states[each]},
        "facts": list_facts(results),
    }


def state_of_check(check: CheckRecord) -> str:
    """The outcome, or ``WAITING`` for a check that another failed check prevented."""
    return WAITING if check.duplicate_of else check.outcome


def list_facts(results: Results) -> list[str]:
    """Start, duration, version, commit, device and samples, as far as they are known."""
    environment = results.environment
    facts = {
        "started {} UTC": environment.get("started", "")[:16].replace("T", " "),
        "took {}": environment.get("duration"),
        "convnextpose-check {}": environment.get("convnextpose_check"),
        "commit {}": environment.get("commit", "")[:12],
        "device {}": results.device,
        f"{results.samples:,} of {results.expected_samples:,} samples": results.samples,
    }
    return [text.format(value) for text, value in facts.items() if value]


def format_quotation(results: Results) -> str:
    """The errors as a line to quote; empty unless published models were judged."""
    is_judged = decide(results)[0] in ("reproduced", "off") and results.target == "published"
    if results.own_models or not is_judged:
        return ""
    errors = ", ".join(
        f"{name} {record.error_mm:.2f} mm (paper {format_number(record.reference_mm, 2)})"
        for name, record in results.variants.items()
    )
    heading = f"ConvNeXtPose, Human3.6M protocol {results.protocol}, {results.metric}"
    version = results.environment.get("convnextpose_check", "")
    return f"{heading}: {errors}; measured with convnextpose-check {version}".strip()


def trust_note(results: Results) -> str:
    """A warning if the run executed the user's code."""
    if not runs_code(results.network):
        return ""
    return (
        f"The evaluated model, {results.network}, ran in the same process as the checks and may"
        " have executed any code. The verdict is only as trustworthy as that code."
    )


def describe_test(test: str) -> tuple[str, str]:
    """The group and title of a test; without an entry, its name is the title."""
    function = test.rpartition("::")[2].partition("[")[0]
    words = function.removeprefix("test_").replace("_", " ").capitalize()
    found = [(group, each[function]) for group, each in CHECK_TITLES.items() if function in each]
    return found[0] if found else ("Other checks", words)


class CheckGroup(NamedTuple):
    """A table of checks by title and column: a variant, or ``""`` for the whole run."""

    rows: dict[str, dict[str, CheckRecord]]
    columns: list[str]
    states: list[str]
    severity: Severity


def group_checks(results: Results) -> dict[str, CheckGroup]:
    """The checks by group; a group is green only if every check passed."""
    tables: dict[str, dict[str, dict[str, CheckRecord]]] = {group: {} for group in CHECK_TITLES}
    for check in results.checks:
        group, title = describe_test(check.test)
        rows = tables.setdefault(group, {})
        title += "" if check.tolerance_mm is None else f" ({check.tolerance_mm} mm)"
        variant = check.variant or ""
        if variant in rows.get(title, {}):  # the test has further parameters
            title = check.test
        rows.setdefault(title, {})[variant] = check
    groups = {}
    for group, rows in tables.items():
        names = dict.fromkeys(name for row in rows.values() for name in row)
        states = [state_of_check(check) for row in rows.values() for check in row.values()]
        if rows:
            worst = max((SEVERITIES[state] for state in states), key=list(ICONS).index)
            groups[group] = CheckGroup(rows, sorted(names, key=bool), states, worst)
    return groups


def render_markdown(results: Results) -> str:
    """Render the Markdown report, with a chart that GitHub draws in a job's summary."""
    actions = dict.fromkeys(a for record in results.variants.values() for a in record.per_action_mm)
    # A chart compares variants, and other names could break out of mermaid's quotes.
    chart = {
        name: record
        for name, record in results.featured.items()
        if record.reference_mm is not None and name.replace("-", "").replace("_", "").isalnum()
    }
    chart = chart if len(chart) > 1 else {}
    top_mm = max((max(r.error_mm, r.reference_mm or 0.0) for r in chart.values()), default=0.0)
    return _render(
        "BENCHMARK_REPORT.md.j2",
        actions=list(actions),
        chart=chart,
        chart_top_mm=math.ceil(top_mm / 10) * 10,
        **shared_context(results),
    )


def escape_markdown(text: str) -> str:
    """Escape a text so that it has no markup and stays in its table cell."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]()#|~@!+-])", r"\\\1", flat)


def draw_crop_poses(variant: str, example: Example) -> Markup:
    """Draw the poses on the 256x256 crop, with its image if the results contain it."""
    side, image = INPUT_SIDE_PX, ""
    if example.crop_jpeg is not None:
        source = f"data:image/jpeg;base64,{escape(example.crop_jpeg)}"
        image = f'<image href="{source}" width="{side}" height="{side}"/>'
    kind = "on-image" if image else "on-crop"
    label = f"{variant}, {example.rank} sample on the crop"
    poses = (np.array(example.truth_px), np.array(example.predicted_px))
    return _draw_svg(kind, f"0 0 {side} {side}", label, image, *poses)


def draw_3d_poses(variant: str, example: Example) -> Markup:
    """Draw the poses in 3D, seen from the side with the camera on the left.

    Their common center is the origin, so that no rotation moves them out of the picture.
    """
    truth, predicted = np.array(example.truth_mm), np.array(example.predicted_mm)
    both = np.concatenate([truth, predicted])
    center = (both.min(axis=0) + both.max(axis=0)) / 2
    radius_mm = max(float(np.linalg.norm(both - center, axis=1).max()), 1.0)
    poses = ((pose - center) / radius_mm * 95 for pose in (truth, predicted))
    label = f"{variant}, {example.rank} sample in 3D"
    return _draw_svg("in-space", "-100 -100 200 200", label, "", *poses)


def _draw_svg(
    kind: str, view_box: str, label: str, image: str, truth: Array, predicted: Array
) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="{view_box}" role="img" aria-label="{escape(label)}">'
        f'{image}<g class="truth">{_draw_bones(truth)}</g>'
        f'<g class="predicted">{_draw_bones(predicted)}</g></svg>'
    )


def _draw_bones(points: Array) -> str:
    """Draw the bones of joints (17, 2) or (17, 3) as three paths: right, left, middle.

    For 3D joints (x right, y down, z away from the camera) ``data-ends`` has the bones' ends.
    """
    ends: dict[str, list[Array]] = {"right": [], "left": [], "middle": []}
    for a, b in BONES:
        part = "right" if b in _RIGHT else "left" if b in _LEFT else "middle"
        ends[part] += [points[a], points[b]]
    paths = []
    for part, each in ends.items():
        in_space = np.stack(each)
        drawn = in_space if points.shape[1] == 2 else in_space[:, [2, 1]]
        line = "".join(f"{'ML'[i % 2]}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(drawn))
        data = f' data-ends="{np.round(in_space, 1).tolist()}"' if points.shape[1] == 3 else ""
        paths.append(f'<path class="{part}"{data} d="{line}"/>')
    return "".join(paths)
