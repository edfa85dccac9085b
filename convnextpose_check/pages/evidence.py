"""The evidence for a cause as a small drawing: each joint's error, measured and with it undone."""

from __future__ import annotations

from html import escape

from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS
from convnextpose_check.results.schema import CauseRecord

HEIGHT, PITCH, BAR = 64, 18, 7
"""Of the highest bar, from joint to joint, and the width of a bar, in the drawing's own units."""

PARTS = (("right leg", 1, 3), ("left leg", 4, 6), ("spine, head", 7, 10), ("left arm", 11, 13),
         ("right arm", 14, 16))  # fmt: skip
"""What is written below the bars of these joints, the first and the last."""


def evidence_svg(variant: str, cause: CauseRecord) -> str:
    """Two bars for each joint; empty where errors of joints say nothing of the cause."""
    if not cause.before_mm:
        return ""
    highest_mm = max(*cause.before_mm, *cause.after_mm, 1e-9)
    before_mm, after_mm = (sum(mm) / len(mm) for mm in (cause.before_mm, cause.after_mm))
    label = (
        f"{variant}: error of each joint as measured, {before_mm:.1f} mm on average, and with the"
        f" fault undone, {after_mm:.1f} mm"
    )
    bars = []
    joints = zip(JOINTS[:ANNOTATED_JOINTS], cause.before_mm, cause.after_mm, strict=True)
    for number, (joint, *pair) in enumerate(joints):
        told = f"{joint.replace('_', ' ')}: {pair[0]:.1f} mm, undone {pair[1]:.1f} mm"
        drawn = [
            f'<rect class="{look}" x="{number * PITCH + place * BAR}" width="{BAR - 1}"'
            f' y="{HEIGHT * (1 - mm / highest_mm):.1f}" height="{HEIGHT * mm / highest_mm:.1f}"/>'
            for place, (look, mm) in enumerate(zip(("measured", "undone"), pair, strict=True))
        ]
        bars.append(f"<g><title>{escape(told)}</title>{''.join(drawn)}</g>")
    width = ANNOTATED_JOINTS * PITCH
    parts = [
        f'<text x="{((first + last) * PITCH + 2 * BAR) / 2:g}" y="{HEIGHT + 11}">{part}</text>'
        for part, first, last in PARTS
    ]
    return (
        f'<svg class="evidence" viewBox="-1 -1 {width} {HEIGHT + 16}" role="img"'
        f' aria-label="{escape(label)}"><title>{escape(label)}</title>{"".join(bars)}'
        f'<path class="axis" d="M-1 {HEIGHT + 0.5}H{width - 2}"/>{"".join(parts)}</svg>'
    )
