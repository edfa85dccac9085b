"""Check that Human3.6M is complete and that its files are consistent."""

from collections import Counter

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.text import format_count


def check_dataset_is_complete(dataset: Dataset) -> int:
    """Every action has all samples, each with one image; returns their number."""
    if dataset.conflicts:
        used, other = dataset.conflicts[0]
        conflicts = f"{format_count(len(dataset.conflicts), 'image')} with two contents"
        raise CheckFailedError(
            ErrorCode.AMBIGUOUS,
            f"{conflicts} in folders of one sequence: {used} was used, {other} has other content",
            "Keep only the folder with the original images, or pass it with --h36m-root",
            conflicts,
            "one content for each image",
        )
    if dataset.is_complete():
        return len(dataset.samples)
    obtained, expected = dataset.per_action(), dataset.facts.per_action
    different = [
        f"{action} {obtained[action]} of {count}"
        for action, count in expected.items()
        if obtained[action] != count
    ]
    problem = (
        f"{len(dataset.samples)} samples of protocol {dataset.protocol} below"
        f" {dataset.layout.root}: expected {dataset.facts.samples}"
        + (f" ({', '.join(different[:4])}{', ...' * (len(different) > 4)})" if different else "")
    )
    sequences = Counter(sample.sequence for sample in dataset.samples)
    for name in sorted(set(dataset.facts.absent) & sequences.keys()):
        problem += f"; the official data set does not have {name} ({sequences[name]} here)"
    if surplus := dataset.count_surplus():
        code = ErrorCode.SURPLUS
        problem = f"{format_count(surplus, 'sample')} more than the protocol has: {problem}"
        remedy = "Move their images out of the data set; annotations without images are ignored"
    else:
        code = ErrorCode.INCOMPLETE
        problem += _describe_missing(dataset)
        remedy = "Pass the complete data set with --h36m-root, without --limit"
    raise CheckFailedError(code, problem, remedy, len(dataset.samples), dataset.facts.samples)


def _describe_missing(dataset: Dataset) -> str:
    """Frames left out at regular steps, and the reasons for excluded images."""
    text, step = "", dataset.frame_step
    if step > 1 and step % 2:  # 5 for every fifth, tenth or twentieth frame
        text = f"; only one test frame in {step} of each sequence is there"
    first = {e.reason: e.file_name for e in reversed(dataset.excluded)}
    reasons = [
        f"{reason} ({count:,}, the first {first[reason]})"
        for reason, count in Counter(e.reason for e in dataset.excluded).most_common()
    ]
    if reasons:
        text += f"; {len(dataset.excluded)} excluded because {'; '.join(reasons)}"
    return text


def check_joints_lie_in_boxes(dataset: Dataset) -> str:
    """Projected joints lie in the annotated boxes, in frames spread over each subject.

    Returns the smallest share of a camera's joints inside their boxes, as text.
    """
    shares = []
    for share in dataset.box_consistency:
        if isinstance(share, ConvNeXtPoseCheckError):
            raise CheckFailedError(
                share.code,
                share.problem,
                share.remedy,
                "joints outside of their boxes",
                "joints in their boxes",
            )
        shares.append(share)
    return f"{min(shares):.0%} of a camera's joints" if shares else "too few frames to compare"


def check_rootnet_file(dataset: Dataset) -> str:
    """Boxes from RootNet come from the protocol's file; returns their source.

    The file for subjects 9 and 11 and the one for subject 11 come from two RootNets; the latter was
    trained on subject 9 too. Their root depths on subject 11 differ by 58.6 mm on average.
    """
    found, expected = dataset.rootnet or "the ground truth's boxes", dataset.facts.rootnet
    if not dataset.rootnet or expected is None:
        return found
    if not dataset.has_expected_rootnet:
        raise CheckFailedError(
            ErrorCode.WRONG_ROOTNET,
            f"the boxes are not from RootNet's file for protocol {dataset.protocol}, '{expected}':"
            f" they are from {found}",
            f"Replace it with the file from this folder below {dataset.layout.root}",
            found,
            expected,
        )
    return f"{found}: {expected}"
