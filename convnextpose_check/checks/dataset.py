"""Check that Human3.6M is complete and that its parts belong together."""

from __future__ import annotations

from collections import Counter

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.samples import Dataset


def check_dataset_is_complete(dataset: Dataset) -> int:
    """Every action has its samples of the protocol, with one image each; returns their number."""
    if dataset.conflicts:
        used, other = dataset.conflicts[0]
        raise CheckFailedError(
            ErrorCode.AMBIGUOUS,
            f"{len(dataset.conflicts):,} images differ between folders of one sequence: {used} was"
            f" used, {other} has other content",
            "Keep the folder with the original images, or name it with --h36m-root",
            f"{len(dataset.conflicts)} images with two contents",
            "one content for each image",
        )
    obtained, expected = dataset.per_action(), dataset.facts.per_action
    short = [
        f"{action} {obtained[action]} of {expected[action]}"
        for action in expected
        if obtained[action] != expected[action]
    ]
    if dataset.is_complete():
        return len(dataset.samples)
    first = {e.reason: e.file_name for e in reversed(dataset.excluded)}
    reasons = [
        f"{reason} ({count:,}, the first {first[reason]})"
        for reason, count in Counter(e.reason for e in dataset.excluded).most_common()
    ]
    raise CheckFailedError(
        ErrorCode.INCOMPLETE,
        f"{len(dataset.samples)} samples of protocol {dataset.protocol} below"
        f" {dataset.layout.root}: expected {dataset.facts.samples}"
        + (f" ({', '.join(short[:4])}{', ...' if len(short) > 4 else ''})" if short else "")
        + (f"; {len(dataset.excluded)} excluded because {'; '.join(reasons)}" if reasons else ""),
        "Without --limit, give the whole data set with --h36m-root; a subset is no reproduction",
        len(dataset.samples),
        dataset.facts.samples,
    )


def check_joints_lie_in_boxes(dataset: Dataset) -> str:
    """Projected joints lie in the annotated boxes, in frames spread over each subject.

    Returns the smallest share of a camera's joints inside.
    """
    shares = []
    for share in dataset.box_consistency:
        if isinstance(share, ConvNeXtPoseCheckError):
            raise CheckFailedError(
                share.code,
                share.problem,
                share.remedy,
                "joints outside their boxes",
                "joints in their boxes",
            )
        shares.append(share)
    return f"{min(shares):.0%} of a camera's joints" if shares else "too few frames to compare"


def check_rootnet_file(dataset: Dataset) -> str:
    """Boxes from RootNet come from the protocol's file; returns which file it is.

    The file for subjects 9 and 11 is of another RootNet than that for subject 11, which was trained
    on subject 9. On subject 11 they differ by 58.6 mm of root depth on average.
    """
    found, expected = dataset.rootnet or "the ground truth's boxes", dataset.facts.rootnet
    if not dataset.rootnet or expected is None:
        return found
    if not dataset.has_expected_rootnet:
        raise CheckFailedError(
            ErrorCode.WRONG_ROOTNET,
            f"the boxes are not of RootNet's file for protocol {dataset.protocol}, '{expected}':"
            f" they are of {found}",
            f"Replace it by the file of that folder below {dataset.layout.root}",
            found,
            expected,
        )
    return f"{found}: {expected}"
