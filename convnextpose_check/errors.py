"""The errors that a user can cause and fix, and their codes."""

from __future__ import annotations

from enum import Enum

from convnextpose_check.wording import printable


class ErrorCode(str, Enum):
    """What is wrong, for scripts; the message says it for people. Codes are stable."""

    AMBIGUOUS = "ambiguous"
    """Several different files fit where one is expected."""
    BAD_ANNOTATIONS = "bad-annotations"
    """An annotation file cannot be read."""
    BAD_NETWORK = "bad-network"
    """The model of ``--network`` cannot be used."""
    BAD_OPTION = "bad-option"
    """An option or variable has an invalid value."""
    BAD_RESULTS = "bad-results"
    """The results of a run cannot be read."""
    BAD_VARIANTS_FILE = "bad-variants-file"
    """The variants file cannot be read, lacks a field or has an unknown one."""
    BAD_WEIGHTS = "bad-weights"
    """Weights are not finite, or a BatchNorm variance is implausible."""
    CANNOT_WRITE = "cannot-write"
    """A file or link cannot be written."""
    CHECKPOINT_NOT_FOUND = "checkpoint-not-found"
    """No checkpoint of the variant is in the given folders."""
    DAMAGED = "damaged"
    """An archive is incomplete or damaged."""
    DAMAGED_IMAGE = "damaged-image"
    """libjpeg warns about an image."""
    DATA_NOT_FOUND = "data-not-found"
    """Human3.6M, or a required part of it, is not there."""
    DEVICE_FAILED = "device-failed"
    """The device raised an error."""
    DEVICE_NOT_FOUND = "device-not-found"
    """There is no such device, or it cannot run a kernel."""
    DISAGREEMENT = "disagreement"
    """Two models, or a crop and its mirror image, give different positions."""
    DISK_FULL = "disk-full"
    """Too little of the disk is free."""
    DOWNLOAD_FAILED = "download-failed"
    """A file could not be downloaded from Google Drive."""
    DOWNLOAD_REFUSED = "download-refused"
    """Google Drive refuses the file: its quota is exceeded, or it needs permission."""
    FILE_NOT_FOUND = "file-not-found"
    """There is no such file."""
    HTML_PAGE = "html-page"
    """A web page was saved instead of a checkpoint."""
    IN_USE = "in-use"
    """Another run is writing to the folder."""
    INCOMPLETE = "incomplete"
    """Samples of the protocol are missing or were not measured."""
    NETWORK_FAILED = "network-failed"
    """The evaluated model raised an error or returned values that are not finite."""
    NOT_A_CHECKPOINT = "not-a-checkpoint"
    """A file does not contain a checkpoint."""
    NOT_JUDGED = "not-judged"
    """An error was measured, but there is no verdict on it."""
    NOT_VERIFIED = "not-verified"
    """The published tensors of the variant are not on record."""
    OUT_OF_MEMORY = "out-of-memory"
    """Too little memory is free."""
    OUTSIDE_TOLERANCE = "outside-tolerance"
    """An error differs from its reported value by more than the tolerance."""
    ROUND_TRIP = "round-trip"
    """Keys or weights change when they are converted and read back."""
    SAME_IMAGE = "same-image"
    """An image is a copy of another one."""
    TOO_MANY_FILES = "too-many-files"
    """A folder contains more files than are searched."""
    UNREADABLE = "unreadable"
    """A file cannot be read, or changes while it is read."""
    UNSAFE_ARCHIVE = "unsafe-archive"
    """A checkpoint contains what ``torch.save`` does not write for weights."""
    UNSUPPORTED_ARCHIVE = "unsupported-archive"
    """An archive is encrypted, or compressed in a way that is not read."""
    WRONG_BOXES = "wrong-boxes"
    """Bounding boxes do not fit the joints."""
    WRONG_CAMERAS = "wrong-cameras"
    """Camera parameters do not belong to the subject or have another convention."""
    WRONG_COUNT = "wrong-count"
    """Parameters or multiply-adds differ from the expected or reported ones."""
    WRONG_ENVIRONMENT = "wrong-environment"
    """Python or a package has an unsupported version, or is missing."""
    WRONG_EPOCH = "wrong-epoch"
    """A checkpoint is from another epoch."""
    WRONG_KEYS = "wrong-keys"
    """Keys of a state dict are unknown, missing or of two styles."""
    WRONG_LAYOUT = "wrong-layout"
    """A checkpoint does not have the tensors of any variant."""
    WRONG_OPENCV = "wrong-opencv"
    """OpenCV interpolates differently from version 4, which the paper used."""
    WRONG_ROOTNET = "wrong-rootnet"
    """RootNet's boxes are not those of the protocol."""
    WRONG_TENSORS = "wrong-tensors"
    """Tensors differ from the published ones."""
    WRONG_TRAINING = "wrong-training"
    """The training record contradicts that of the published checkpoint."""
    WRONG_VARIANT = "wrong-variant"
    """A checkpoint contains another variant, or fits several."""

    def __str__(self) -> str:
        return str(self.value)


class ConvNeXtPoseCheckError(Exception):
    """A mistake or a failed check: what is wrong, where, and how to fix it.

    Control characters of quoted names and files are escaped here, and nowhere else.
    """

    def __init__(self, code: ErrorCode, problem: str, remedy: str = "") -> None:
        problem, remedy = printable(problem), printable(remedy)
        super().__init__(problem if not remedy else f"{problem}. {remedy}.")
        self.code = code
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class CheckFailedError(ConvNeXtPoseCheckError):
    """A check obtained another value than it expects."""

    def __init__(
        self,
        code: ErrorCode,
        problem: str,
        remedy: str = "",
        obtained: object = None,
        expected: object = None,
    ) -> None:
        super().__init__(code, problem, remedy)
        self.obtained = printable(obtained) if isinstance(obtained, str) else obtained
        self.expected = printable(expected) if isinstance(expected, str) else expected
