"""The reports of a run: a single HTML page, and Markdown for a pull request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import BONES, FLIP_PAIRS
from convnextpose_check.network.users import is_factory, runs_code
from convnextpose_check.pages.charts import draw_distribution, format_css_variables
from convnextpose_check.results.schema import CheckRecord, Example, Outcome, Results
from convnextpose_check.results.text import (
    ICONS,
    Severity,
    format_comparison,
    format_difference,
    format_interval,
    format_number,
    format_value,
    identity_badge,
    run_badge,
    variant_badge,
)
from convnextpose_check.variants import INPUT_SIDE_PX

FOLDER = Path(__file__).parent
STYLE_SHEET = FOLDER / "report.css"
SCRIPT = FOLDER / "report.js"
"""Rotates the skeletons and folds pytest-html's table; the summary works without it."""
BEGIN, END = "<!-- ConvNeXtPose: begin -->", "<!-- ConvNeXtPose: end -->"
"""Markers around the summary in pytest-html's page."""

SEVERITIES: dict[Outcome, Severity] = {
    "passed": "good",
    "not verified": "none",
    "warning": "fair",
    "expected failure": "none",
    "failed": "bad",
    "skipped": "none",
}
"""Severity of each outcome, in the order of their counts in the report."""

_MAX_OPACITY = 0.55
"""A stronger color would make the numbers on it hard to read."""

_RIGHT = {right for right, _ in FLIP_PAIRS}
_LEFT = {left for _, left in FLIP_PAIRS}

COLUMNS = 7
"""Most columns of a table in the Markdown report."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#|~@!+-])")


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
    environment.filters.update(difference=format_difference, md=escape_markdown, code=escape_code)
    environment.globals.update(
        draw_3d_poses=draw_3d_poses,
        draw_crop_poses=draw_crop_poses,
        icons=ICONS,
        identity_badge=identity_badge,
        interval=format_interval,
        severities=SEVERITIES,
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
        check_rows=group_checks(results),
        has_images=any(e.crop_jpeg for record in featured.values() for e in record.examples),
        distribution=Markup(draw_distribution(results, errors_mm)),
        error_tables={
            "Error by action (mm)": _shade_rows([r.per_action_mm for r in featured.values()]),
            "Error by joint (mm)": _shade_rows([r.per_joint_mm for r in featured.values()]),
        },
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
        return f"{before}{BEGIN}{summary}{END}{after}"
    style, script = (Markup(path.read_text(encoding="utf-8")) for path in (STYLE_SHEET, SCRIPT))
    return _render("page.html.j2", style=style, script=script, summary=summary)


def shared_context(results: Results) -> dict[str, Any]:
    """The template values that the HTML and the Markdown report share."""
    outcomes = Counter(check.outcome for check in results.checks)
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
        "counts": {each: outcomes[each] for each in SEVERITIES if outcomes[each]},
    }


def trust_note(results: Results) -> str:
    """A warning if the run executed the user's code."""
    if not runs_code(results.network):
        return ""
    verb = "is" if is_factory(results.network) else "may contain"
    return (
        f"The evaluated model, {results.network}, {verb} user code that ran in the same process as"
        " the checks. The verdict is only as trustworthy as that code."
    )


def _describe_test(check: CheckRecord) -> str:
    """The name of the test as words, with its tolerance."""
    name = check.test.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
    return name if check.tolerance_mm is None else f"{name}, {check.tolerance_mm} mm"


def group_checks(results: Results) -> dict[str, dict[str, CheckRecord]]:
    """The checks by description, then by variant (``""`` for the whole run)."""
    rows: dict[str, dict[str, CheckRecord]] = {}
    for check in results.checks:
        variant = check.variant or ""
        row = rows.setdefault(_describe_test(check), {})
        if variant in row:  # the test has further parameters
            row = rows.setdefault(check.test, {})
        row[variant] = check
    return rows


def _shade_rows(columns: list[dict[str, float]]) -> dict[str, list[tuple[float, float] | None]]:
    """Each row's errors and the opacity of their color, one per column, by row name."""
    # The root joint's error is 0 by definition and must not extend the color scale.
    values = [value for column in columns for value in column.values() if value > 0]
    low = min(values, default=0.0)
    span = max(max(values, default=0.0) - low, 1e-9)

    def cell(error_mm: float | None) -> tuple[float, float] | None:
        if error_mm is None:
            return None
        return error_mm, round(max(error_mm - low, 0.0) / span * _MAX_OPACITY, 3)

    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [cell(column.get(name)) for column in columns] for name in names}


def render_markdown(results: Results) -> str:
    """Render the Markdown report, without chart: a CI job summary cannot show one."""
    actions = dict.fromkeys(a for record in results.variants.values() for a in record.per_action_mm)
    names, width = list(results.variants), COLUMNS - 1
    return _render(
        "BENCHMARK_REPORT.md.j2",
        actions=list(actions),
        name_groups=[names[start : start + width] for start in range(0, len(names), width)],
        **shared_context(results),
    )


def escape_markdown(text: str) -> str:
    """Escape a text so that it has no markup and stays in its table cell."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", flat)


def escape_code(text: str) -> str:
    """Escape a text between backticks."""
    return " ".join(text.split()).replace("`", "'")


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
