"""The results of a run: the one form from which every page, comparison and gate is made."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from convnextpose_check.variants import Count, Name, Protocol

SCHEMA_VERSION = 2

METRIC_TITLES: dict[Protocol, str] = {1: "PA-MPJPE", 2: "MPJPE"}

Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Number = int | Finite
"""A whole number stays one: it is shown without decimals."""

Pair = tuple[Finite, Finite]
Triple = tuple[Finite, Finite, Finite]


Outcome = Literal["passed", "not verified", "warning", "expected failure", "failed", "skipped"]

Identity = Literal["verified", "not verified", "contradicted"]
"""Whether a file holds the published weights: all tensors on record match, none are on record, or
a recorded property contradicts it."""

Matched = Literal["architecture", "counts", "epoch", "training record", "tensors"]
"""A property of a checkpoint that was compared with its recorded value, and equals it."""

ReferenceKind = Literal["paper", "recorded", "own file"]
"""Where a reference value is from: the package's variants file, the record of the miniature, or a
variants file of the user's."""

OWN_MODELS = "user's own models"
"""What titles and messages call models from a variants file of the user's."""

_WITHIN = re.compile(r"-within-(\d+)mm\]$")


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every field is written, and none that is not known is read."""


class CheckRecord(_Record, frozen=True):
    """What became of one validation test.

    ``not verified`` is a check that had no recorded value to compare with, ``warning`` one that
    found a contradiction that proves nothing: both are no success and fail no run.
    ``obtained`` and ``expected`` are what the test recorded, ``difference`` is the one minus the
    other where both are numbers, ``message`` is why it did not pass. ``told_by`` is the test that
    failed for the same reason and tells it, empty for one that tells its own.
    """

    test: str
    outcome: Outcome
    obtained: str | Number | None = None
    expected: str | Number | None = None
    difference: Number | None = None
    unit: str = ""
    message: str = ""
    told_by: str = ""
    tolerance_mm: Count | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing stands against the claim; not that it was verified."""
        return self.outcome in ("passed", "not verified", "warning")

    @property
    def within_mm(self) -> int | None:
        """The tolerance that it asks about; files of earlier versions name it in the test's id."""
        if self.tolerance_mm is not None:
            return self.tolerance_mm
        found = _WITHIN.search(self.test)
        return int(found[1]) if found else None


class Example(_Record, frozen=True):
    """One sample to look at, its poses in the order of Human3.6M's 17 joints.

    ``predicted_mm`` and ``truth_mm`` are as compared, roots at the origin, in the camera's axes;
    ``predicted_px`` and ``truth_px`` are pixels of the 256x256 crop. ``crop_jpeg`` is the crop in
    base64, None where the licence forbids passing it on.
    """

    rank: Literal["best", "median", "worst"]
    image_id: int
    file_name: str
    action: str
    error_mm: Finite
    predicted_mm: tuple[Triple, ...]
    truth_mm: tuple[Triple, ...]
    predicted_px: tuple[Pair, ...]
    truth_px: tuple[Pair, ...]
    crop_jpeg: str | None


class ProvenanceRecord(_Record, frozen=True):
    """What a checkpoint tells of its origin.

    ``epoch`` and ``story`` are sentences, ``iterations`` those of one epoch, None where the
    counters contradict each other. ``tensors`` and ``copy`` hold the file against the published
    bits, empty where none are known.
    """

    epoch: str
    story: str
    iterations: Count | None
    tensors: str
    copy: str

    @property
    def told(self) -> str:
        """All of it in a line."""
        return "; ".join(filter(None, (self.epoch, self.story, self.tensors, self.copy)))


class FileRecord(_Record, frozen=True, kw_only=True):
    """A variant's checkpoint, and what its network counts.

    ``identity`` says whether it is the published one, ``identity_reason`` why, as part of a
    sentence. ``matched`` are the properties that equal their recorded values.
    """

    file: str
    form: str
    epoch: Count
    sha256: str
    head_keys: Literal["modern", "legacy"]
    parameters: Count
    state_elements: Count
    gmacs: Finite
    provenance: ProvenanceRecord | None = None
    identity: Identity = "not verified"
    identity_reason: str = "not recorded"
    matched: tuple[Matched, ...] = ()


class CauseRecord(_Record, frozen=True):
    """What explains ``moved_mm`` of an error's difference from its reference, a ``share`` of it.

    ``what`` and ``evidence`` are parts of a sentence, ``remedy`` is one. The joints' 17 errors are
    those measured and those with the fault undone, empty where they say nothing of it.
    """

    name: str
    what: str
    evidence: str
    remedy: str
    moved_mm: Finite
    share: Finite
    before_mm: tuple[Finite, ...] = ()
    after_mm: tuple[Finite, ...] = ()


class VariantResult(FileRecord, frozen=True, kw_only=True):
    """One variant, judged by its error.

    ``reference_kind`` says whose the reference is, None in files of earlier versions.
    One of ``mpjpe_mm`` (protocol 2) and ``pa_mpjpe_mm`` (protocol 1) is present. ``interval_mm`` is
    the 95 % bootstrap interval of that error over ``sequences`` sequences, None for fewer than two.
    ``unreadable`` counts the images that could not be used, by reason. ``seconds`` the network
    itself took; ``reading_seconds`` went by waiting for images, for all variants that were shown
    them together. ``without_displaced_mm`` is the error without the samples that the data set's
    ``displaced`` counts. ``repeated_images`` are files that equal an earlier one of the same take
    and camera, each with that one. ``causes`` say why it is off, the likeliest first.
    ``resumed_samples`` were measured by an earlier run, and their images were not read again.
    ``soft_argmax`` is what computed it, None for a network of the user and in results written
    before this field.
    """

    paper_parameters_millions: Finite | None
    paper_gmacs: Finite | None
    mpjpe_mm: Finite | msgspec.UnsetType = msgspec.UNSET
    pa_mpjpe_mm: Finite | msgspec.UnsetType = msgspec.UNSET
    interval_mm: Pair | None
    sequences: Count
    reference_mm: Finite | None
    reference_source: str | None
    reference_kind: ReferenceKind | None = None
    difference_mm: Finite | None
    verdict: str
    per_action_mm: dict[str, Finite]
    per_joint_mm: dict[str, Finite]
    samples: Count
    complete: bool
    unreadable: dict[str, Count]
    images_sha256: str
    seconds: Finite
    reading_seconds: Finite = 0.0
    images_per_second: Finite
    without_displaced_mm: Finite | None = None
    repeated_images: tuple[tuple[str, str], ...] = ()
    causes: tuple[CauseRecord, ...] = ()
    batch_size: Count
    resumed_samples: Count = 0
    soft_argmax: Literal["triton", "torch"] | None = None
    examples: tuple[Example, ...]

    @property
    def error_mm(self) -> float:
        """MPJPE or PA-MPJPE, whichever was measured."""
        error_mm = self.mpjpe_mm if self.mpjpe_mm is not msgspec.UNSET else self.pa_mpjpe_mm
        assert not isinstance(error_mm, msgspec.UnsetType)  # __post_init__ saw to it
        return error_mm

    def __post_init__(self) -> None:
        """Hold the form to having one error; the decoder turns the error into one of its own."""
        if (self.mpjpe_mm is msgspec.UNSET) == (self.pa_mpjpe_mm is msgspec.UNSET):
            raise ValueError("expected one of `mpjpe_mm` and `pa_mpjpe_mm`")

    @property
    def is_held_to_paper(self) -> bool:
        """Whether its figure is the paper's; files of earlier versions say so in words alone."""
        if self.reference_kind is None:
            return (self.reference_source or "").startswith("paper")
        return self.reference_kind == "paper"

    @property
    def is_judged(self) -> bool:
        """Whether the verdict rests on the difference."""
        return not self.verdict.startswith("not judged")


class DisplacedRecord(_Record, frozen=True):
    """Samples known to be annotated beside their pictures, counted by take, and who says so."""

    takes: dict[str, Count]
    source: str

    @property
    def samples(self) -> int:
        """How many there are."""
        return sum(self.takes.values())


class DatasetRecord(_Record, frozen=True):
    """The data a run read; ``excluded`` counts the test images it could not use, by reason.

    ``boxes`` says where boxes and root depths are from, file and all. ``displaced`` is None where
    no sample is known to be.
    """

    root: str
    digest: str
    excluded: dict[str, Count]
    limited: bool
    boxes: str = ""
    displaced: DisplacedRecord | None = None


class Deviation(_Record, frozen=True):
    """One figure of a variant beside an earlier run's; ``interval`` is the difference's, paired."""

    variant: str
    figure: str
    before: str | Number | None
    now: str | Number | None
    difference: Number | None
    allowed: str
    is_worse: bool
    interval: Pair | None = None


class BaselineRecord(_Record, frozen=True):
    """A run held against an earlier one."""

    file: str
    started: str
    tolerance_mm: Finite
    deviations: tuple[Deviation, ...]
    problems: tuple[str, ...]


class Results(_Record, frozen=True, kw_only=True):
    """A run's results about one subject.

    ``finished`` is false in what is written while the run goes on; ``left_out`` says why a run in
    which nothing failed did not pass all the same. ``gate_mm`` is None for ``--gate none``. Where
    ``weights_only`` is true no error was measured: there are no ``variants``, and ``weights`` are
    the files that were judged. ``own_models`` is true where these and their figures are from a
    variants file of the user's: then nothing in the results is about the published models.
    ``network`` is the value of ``--network``. ``passed`` is the gate's decision; with ``run_id``,
    which a caller may set, it can be told from that of an earlier run.
    """

    schema_version: Literal[2] = 2
    subject: Literal["published", "miniature"]
    finished: bool
    verdict: str
    protocol: Protocol
    bbox: Literal["gt", "rootnet"]
    flip: bool
    device: str
    samples: Count
    expected_samples: Count
    expected_variants: tuple[Name, ...]
    complete: bool
    gate_mm: Count | None
    environment: dict[str, str]
    settings: tuple[str, ...]
    dataset: DatasetRecord
    variants: dict[Name, VariantResult]
    checks: tuple[CheckRecord, ...]
    left_out: tuple[str, ...]
    baseline: BaselineRecord | None
    weights_only: bool = False
    weights: dict[Name, FileRecord] = {}
    network: str | None = None
    run_id: str = ""
    passed: bool = False
    own_models: bool = False

    @property
    def judged(self) -> str:
        """What was judged, as titles say it."""
        models = OWN_MODELS if self.own_models else f"{self.subject} models"
        if self.weights_only:
            return f"{models.removesuffix('models')}weights (MPJPE not measured)"
        return models

    @property
    def metric(self) -> str:
        """What the error is called."""
        return METRIC_TITLES[self.protocol]

    @property
    def gate(self) -> str:
        """The tolerance that fails the run, as it is spoken of."""
        return "none was asked for" if self.gate_mm is None else f"{self.gate_mm} mm"

    @property
    def failed(self) -> tuple[CheckRecord, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if check.outcome in ("failed", "skipped"))


def with_variants(results: Results, variants: dict[Name, VariantResult]) -> Results:
    """The results with these variants, and what they say of the whole."""
    everything = variants.keys() >= set(results.expected_variants)
    return msgspec.structs.replace(
        results,
        variants=variants,
        samples=min((record.samples for record in variants.values()), default=0),
        complete=everything and all(record.complete for record in variants.values()),
    )
