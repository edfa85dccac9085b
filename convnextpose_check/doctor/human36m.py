"""What ``doctor`` says of Human3.6M: what was found where, and what is missing or misnamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from convnextpose_check.checks.dataset import check_dataset_is_complete, check_joints_lie_in_boxes
from convnextpose_check.doctor.finding import Finding, relative
from convnextpose_check.doctor.look_alikes import look_alikes
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.layout import GIVE_ROOT, ROOTNET_FILE, annotation_names
from convnextpose_check.run.run import Run

SHOWN = 4
RENAME = (
    "Rename or unpack it; where that cannot be done, as in /kaggle/input, make a folder of links"
    " (ln -s) under the right names and give that with --h36m-root"
)
SEE_ABOVE = "not looked for: see the annotations above"


def annotations_found(run: Run) -> Finding:
    """The annotation files of the subjects that are tested, and what looks like those missing."""
    root = run.dataset_root
    wanted = annotation_names(run.test_subjects)
    try:
        found = run.layout.annotations
    except ConvNeXtPoseCheckError as error:
        near = look_alikes(root, wanted) if error.code == "no-data" else []
        return Finding("missing", _listed([error.problem, *near]), error.remedy)
    if not (missing := [name for name in wanted if name not in found]):
        return Finding("ok", f"{len(wanted)} files in {_folders(found.values(), root)}")
    near = look_alikes(root, missing)
    text = f"{len(found)} of {len(wanted)} files below {root}, without {', '.join(missing)}"
    return Finding("missing", _listed([text, *near]), RENAME if near else GIVE_ROOT)


def images_found(run: Run) -> Finding:
    """The folders of images of each subject that is tested."""
    try:
        layout = run.layout
    except ConvNeXtPoseCheckError:
        return Finding("missing", SEE_ABOVE)
    texts, complete = [], True
    for number in run.test_subjects:
        folders = layout.sequences_of(number)
        complete = complete and bool(folders)
        paths = [path for copies in folders.values() for path in copies]
        where = f"in {_folders(paths, layout.root)}" if folders else "anywhere"
        texts.append(f"{len(folders) or 'no'} sequences of subject {number} {where}")
    if complete:
        return Finding("ok", ", ".join(texts))
    near = look_alikes(layout.root, ())
    return Finding("missing", _listed([", ".join(texts), *near]), RENAME if near else GIVE_ROOT)


def rootnet_found(run: Run) -> Finding:
    """RootNet's boxes, which are missed only where the settings ask for them."""
    needed = run.settings.bbox == "rootnet"
    try:
        layout = run.layout
    except ConvNeXtPoseCheckError:
        return Finding("missing" if needed else "note", SEE_ABOVE)
    if needed:
        return Finding("ok", str(layout.rootnet_for(run.test_subjects)))
    there = relative(layout.rootnet[0], [layout.root]) if layout.rootnet else f"no {ROOTNET_FILE}"
    return Finding("ok", f"{there}; only --bbox rootnet reads it")


def samples_found(run: Run) -> Finding:
    """The test samples of the protocol, counted: the annotations are read for it."""
    try:
        layout = run.layout
    except ConvNeXtPoseCheckError:
        return Finding("missing", SEE_ABOVE)
    wanted = annotation_names(run.test_subjects)
    if not layout.sequences or any(name not in layout.annotations for name in wanted):
        return Finding("missing", "not counted: see annotations and images above")
    dataset = run.dataset
    check_joints_lie_in_boxes(dataset)
    count = check_dataset_is_complete(dataset)
    of_subject = Counter(sample.subject for sample in dataset.samples)
    parts = " and ".join(f"{n:,} of subject {number}" for number, n in of_subject.items())
    excluded = f", {len(dataset.excluded)} more cannot be used" if dataset.excluded else ""
    return Finding("ok", f"{count:,} of {dataset.facts.samples:,}: {parts}{excluded}")


def _folders(paths: Iterable[Path], root: Path) -> str:
    """The folders that the paths are in, those with most first."""
    folders = Counter(relative(path.parent, [root]) for path in paths)
    return _listed([folder for folder, _ in folders.most_common()])


def _listed(texts: list[str]) -> str:
    rest = len(texts) - SHOWN
    return "; ".join(texts[:SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
