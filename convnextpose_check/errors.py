"""Errors that a user can cause and fix, with stable codes for scripts."""

from enum import Enum

from convnextpose_check.text import escape_control_chars


class ErrorCode(str, Enum):
    """The kind of an error, for scripts. Codes do not change between versions."""

    AMBIGUOUS = "ambiguous"  # several different files fit where one is expected
    BAD_ANNOTATIONS = "bad-annotations"  # an annotation file cannot be read
    BAD_NETWORK = "bad-network"  # the model of --network cannot be used
    BAD_OPTION = "bad-option"  # an option or variable has an invalid value
    BAD_RESULTS = "bad-results"  # the results of a run cannot be read
    BAD_VARIANTS_FILE = "bad-variants-file"  # the variants file does not have the expected form
    BAD_WEIGHTS = "bad-weights"  # weights are not finite, or a BatchNorm variance is implausible
    CANNOT_WRITE = "cannot-write"  # a file or link cannot be written
    CHECKPOINT_NOT_FOUND = "checkpoint-not-found"  # the given folders lack a checkpoint
    DAMAGED = "damaged"  # an archive is incomplete or damaged
    DAMAGED_IMAGE = "damaged-image"  # libjpeg warns about an image
    DATA_NOT_FOUND = "data-not-found"  # Human3.6M, or a required part of it, is missing
    DEVICE_FAILED = "device-failed"  # the device raised an error
    DEVICE_NOT_FOUND = "device-not-found"  # the device does not exist or cannot run a kernel
    DISAGREEMENT = "disagreement"  # two models, or a crop and its mirror, differ
    DISK_FULL = "disk-full"  # too little disk space is free
    DOWNLOAD_FAILED = "download-failed"  # a file could not be downloaded from Google Drive
    DOWNLOAD_REFUSED = "download-refused"  # quota exceeded, or no permission
    FILE_NOT_FOUND = "file-not-found"  # a file or folder does not exist
    HTML_PAGE = "html-page"  # a web page was saved instead of a checkpoint
    IN_USE = "in-use"  # another run is writing to the folder
    INCOMPLETE = "incomplete"  # samples of the protocol are missing or were not measured
    NETWORK_FAILED = "network-failed"  # the evaluated model raised an error
    NOT_A_CHECKPOINT = "not-a-checkpoint"  # a file does not contain a checkpoint
    NOT_JUDGED = "not-judged"  # an error was measured but cannot be judged
    NOT_VERIFIED = "not-verified"  # identity required, but the published tensors are not on record
    OUT_OF_MEMORY = "out-of-memory"  # too little memory is free
    OUTSIDE_TOLERANCE = "outside-tolerance"  # an error differs too much from the reported value
    ROUND_TRIP = "round-trip"  # keys or weights change when converted and read back
    SAME_IMAGE = "same-image"  # an image is a copy of another
    SURPLUS = "surplus"  # there are more samples than the protocol has
    TOO_MANY_FILES = "too-many-files"  # a folder contains more files than are searched
    UNREADABLE = "unreadable"  # a file cannot be read, or changes while it is read
    UNSAFE_ARCHIVE = "unsafe-archive"  # contains more than tensors and plain values
    UNSUPPORTED_ARCHIVE = "unsupported-archive"  # encrypted, or an unknown compression
    WRONG_BOXES = "wrong-boxes"  # bounding boxes do not fit the joints
    WRONG_CAMERAS = "wrong-cameras"  # cameras follow another convention
    WRONG_COUNT = "wrong-count"  # parameters or multiply-adds differ
    WRONG_ENVIRONMENT = "wrong-environment"  # a package is missing or unsupported
    WRONG_EPOCH = "wrong-epoch"  # a checkpoint is from another epoch
    WRONG_KEYS = "wrong-keys"  # keys of a state dict are unknown, missing or mix two styles
    WRONG_LAYOUT = "wrong-layout"  # a checkpoint does not have the tensors of any variant
    WRONG_OPENCV = "wrong-opencv"  # OpenCV interpolates unlike version 4
    WRONG_ROOTNET = "wrong-rootnet"  # RootNet's boxes are not those of the protocol
    WRONG_TENSORS = "wrong-tensors"  # tensors differ from the published ones
    WRONG_TRAINING = "wrong-training"  # counters contradict the recorded training
    WRONG_VARIANT = "wrong-variant"  # a checkpoint contains another variant, or fits several

    def __str__(self) -> str:
        return str(self.value)


class ConvNeXtPoseCheckError(Exception):
    """A user error or failed check: ``problem`` says what and where, ``remedy`` how to fix it.

    Both are given without a full stop. ``command``, which ``remedy`` introduces, gets a separate
    line, so that it can be copied. ``follows`` is the code of an error of which this one is a
    consequence. Control characters in quoted names and texts are escaped here and nowhere else.
    """

    def __init__(
        self,
        code: ErrorCode,
        problem: str,
        remedy: str = "",
        obtained: object = None,
        expected: object = None,
        *,
        command: str = "",
        follows: ErrorCode | None = None,
    ) -> None:
        self.code = code
        self.problem = escape_control_chars(problem)
        self.remedy = escape_control_chars(remedy)
        self.obtained = escape_control_chars(obtained) if isinstance(obtained, str) else obtained
        self.expected = escape_control_chars(expected) if isinstance(expected, str) else expected
        self.follows = follows
        end = f":\n  {escape_control_chars(command)}" if command else "."
        super().__init__(f"[{code}] {self.problem}." + (f" {self.remedy}{end}" if remedy else ""))


class CheckFailedError(ConvNeXtPoseCheckError):
    """A check obtained a value other than the expected one."""
