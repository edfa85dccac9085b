"""The one family of errors that a user can cause and mend, and the one table of their codes."""

from __future__ import annotations

from typing import Annotated, Literal, Union, get_args

from convnextpose_check.wording import printable


class ConvNeXtPoseCheckError(Exception):
    """A mistake or a failed check, told as: what, where, how to mend it.

    ``code`` is stable and meant for machines: one of those below. What the texts quote of names
    and files is escaped here, and nowhere else.
    """

    def __init__(self, code: Code, problem: str, remedy: str = "") -> None:
        problem, remedy = printable(problem), printable(remedy)
        super().__init__(problem if not remedy else f"{problem}. {remedy}.")
        self.code = code
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class CheckFailedError(ConvNeXtPoseCheckError):
    """A subject does not have what it must have: obtained against expected."""

    def __init__(
        self,
        code: Code,
        problem: str,
        remedy: str = "",
        obtained: object = None,
        expected: object = None,
    ) -> None:
        super().__init__(code, problem, remedy)
        self.obtained = printable(obtained) if isinstance(obtained, str) else obtained
        self.expected = printable(expected) if isinstance(expected, str) else expected


Code = Union[  # noqa: UP007 - with | they would be joined one by one, which takes long
    Annotated[Literal["asymmetric"], "a crop and its mirror image are not answered alike"],
    Annotated[Literal["bad-annotations"], "an annotation file is none, or cannot be read"],
    Annotated[Literal["bad-crc"], "a file inside an archive does not have its CRC"],
    Annotated[Literal["bad-network"], "what --network names cannot be used"],
    Annotated[Literal["bad-option"], "an option or variable has a value that it cannot have"],
    Annotated[Literal["bad-pickle"], "a checkpoint's data.pkl is none that torch.save writes"],
    Annotated[Literal["bad-results"], "the results of a run cannot be read"],
    Annotated[Literal["bad-tensor"], "a checkpoint has a tensor or a key that is not a plain one"],
    Annotated[Literal["bomb"], "an archive holds, or unpacks to, more than any checkpoint"],
    Annotated[Literal["cameras-of-another-subject"], "a camera file is another subject's"],
    Annotated[Literal["cannot-write"], "a file cannot be written where it belongs"],
    Annotated[Literal["collision"], "two keys of a state dict become one when they are mapped"],
    Annotated[Literal["corners-for-sizes"], "boxes are two corners, not a corner and a size"],
    Annotated[Literal["count"], "something has another number than is known, or than is right"],
    Annotated[Literal["damaged"], "an archive, or a file inside it, is not whole"],
    Annotated[Literal["damaged-image"], "libjpeg warns of an image"],
    Annotated[Literal["device-failed"], "the device has raised an error"],
    Annotated[Literal["disagreement"], "what is judged does not answer as the plain network"],
    Annotated[Literal["download-failed"], "a file could not be downloaded from Google Drive"],
    Annotated[
        Literal["download-refused"], "Google Drive refuses a file: quota, permission, sign-in"
    ],
    Annotated[Literal["duplicate-member"], "an archive holds a file twice"],
    Annotated[Literal["empty"], "a checkpoint's file has no content"],
    Annotated[Literal["forbidden-global"], "a checkpoint's data.pkl names code it may not name"],
    Annotated[Literal["forbidden-opcode"], "a checkpoint's data.pkl does what it may not do"],
    Annotated[Literal["half-mapped"], "the keys of a state dict mix two styles"],
    Annotated[Literal["html-page"], "a web page was saved in the place of a checkpoint"],
    Annotated[Literal["implausible-variance"], "a BatchNorm has a variance that no training gives"],
    Annotated[Literal["in-the-way"], "something else is where a link is to be made"],
    Annotated[Literal["in-use"], "another run is writing to the folder"],
    Annotated[Literal["incomplete-data"], "the data set lacks samples of the protocol"],
    Annotated[Literal["incomplete-evaluation"], "not every sample of the protocol was measured"],
    Annotated[Literal["interpolation"], "OpenCV interpolates unlike the paper's"],
    Annotated[Literal["joints-outside-boxes"], "joints do not lie in their boxes"],
    Annotated[Literal["metres"], "joints or cameras are in metres, not in millimetres"],
    Annotated[Literal["missing"], "there is no such file"],
    Annotated[Literal["network-failed"], "the network that is judged has raised an error"],
    Annotated[Literal["no-checkpoint"], "an archive holds something else than a checkpoint"],
    Annotated[Literal["no-checkpoints"], "no checkpoint is in the places that were named"],
    Annotated[Literal["no-data"], "Human3.6M, or what is needed of it, is not there"],
    Annotated[Literal["no-device"], "there is no such device, or it does not compute"],
    Annotated[Literal["no-figure"], "the variants file lacks the figure that is asked about"],
    Annotated[Literal["no-head"], "a state dict has no key of a head"],
    Annotated[Literal["no-memory"], "too little memory is free for a run"],
    Annotated[
        Literal["no-precision"],
        "torch rounds products of float32 and ignores the setting",
    ],
    Annotated[Literal["no-project"], "there is no folder of the authors' repository"],
    Annotated[Literal["no-rootnet"], "there is no file with RootNet's boxes"],
    Annotated[Literal["no-space"], "too little of the disk is free for a run"],
    Annotated[Literal["not-a-checkpoint"], "a file unpacks, and holds no epoch or no state dict"],
    Annotated[Literal["not-an-archive"], "a file is no container of a checkpoint"],
    Annotated[Literal["not-finite"], "weights or answers of a network are NaN or infinite"],
    Annotated[Literal["not-judged"], "an error was measured, and no verdict can be given for it"],
    Annotated[
        Literal["not-verified"], "a checkpoint's tensors have no recorded ones to compare with"
    ],
    Annotated[Literal["off-paper"], "parameters or multiply-adds are not the reported ones"],
    Annotated[Literal["off-reference"], "an error is further from its reference than is tolerated"],
    Annotated[Literal["old-cameras"], "a camera file is of before June 2020"],
    Annotated[Literal["one-inside-the-other"], "folders to link from and to overlap"],
    Annotated[Literal["other-tensors"], "tensors are not bit for bit the published ones"],
    Annotated[Literal["other-training"], "a checkpoint's counters tell of another training"],
    Annotated[Literal["out-of-memory"], "the device has no memory for a single image"],
    Annotated[Literal["password"], "a zip wants a password"],
    Annotated[Literal["rootnet-file"], "RootNet's boxes are not those of the protocol"],
    Annotated[Literal["round-trip"], "keys that are mapped there and back are not what they were"],
    Annotated[Literal["same-image"], "an image is a copy of another"],
    Annotated[Literal["several-annotations"], "annotation files of one name differ"],
    Annotated[Literal["several-checkpoints"], "an archive holds more than one checkpoint"],
    Annotated[Literal["several-files"], "different files are checkpoints of one variant"],
    Annotated[Literal["several-images"], "folders of one sequence hold different images"],
    Annotated[Literal["several-rootnet"], "several files with RootNet's boxes, of equal right"],
    Annotated[Literal["several-variants"], "a checkpoint fits more than one variant"],
    Annotated[Literal["snapshot"], "a written .pth does not hold what its checkpoint does"],
    Annotated[Literal["swapped-cameras"], "the cameras in a camera file are swapped"],
    Annotated[Literal["too-many-files"], "a folder holds more than is looked through"],
    Annotated[Literal["transposed-rotations"], "the rotations in a camera file are transposed"],
    Annotated[Literal["truncated"], "an archive ends before its end"],
    Annotated[Literal["unknown-head-key"], "a key of the head is none that is known"],
    Annotated[Literal["unknown-variant"], "no variant has that name"],
    Annotated[Literal["unreadable"], "a file cannot be read, or changes while it is read"],
    Annotated[Literal["unsupported-compression"], "a zip is packed as torch.save never does"],
    Annotated[Literal["variants-file"], "the variants file cannot be read, or is not of its form"],
    Annotated[Literal["wrong-layout"], "a checkpoint does not have a variant's tensors"],
    Annotated[Literal["wrong-variant"], "a checkpoint is used as one variant and holds another"],
]
"""Every code that an error can carry, with what it means; ``ERRORS.md`` is made from it."""

MEANINGS: dict[Code, str] = {
    get_args(code)[0]: told for code, told in map(get_args, get_args(Code))
}
