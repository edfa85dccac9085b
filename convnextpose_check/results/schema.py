"""The results of a run, from which reports, verdict and comparisons are computed.

Unknown fields of a results file are ignored, since another version may have written it.
"""

from typing import Annotated, Literal, get_args

import msgspec

from convnextpose_check.evaluation.verdict import (
    RECORDED_TOLERANCE_MM,
    Verdict,
    judge_difference,
)
from convnextpose_check.variants import REFERENCE, Count, Name, Protocol

SCHEMA_VERSION = 3

METRIC_TITLES: dict[Protocol, str] = {1: "PA-MPJPE", 2: "MPJPE"}

Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]
Number = int | Finite
"""Integers stay integers, which are shown without decimals."""

Pair = tuple[Finite, Finite]
Triple = tuple[Finite, Finite, Finite]

Outcome = Literal["passed", "not verified", "warning", "expected failure", "skipped", "failed"]
"""Outcome of a test, from good to bad."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Identity = Literal["verified", "not verified", "contradicted"]
"""Whether a file contains the published weights: every recorded tensor matches, no tensors are
recorded, or a recorded property contradicts it."""

Matched = Literal["architecture", "counts", "epoch", "training record", "tensors"]
"""A property of a checkpoint that equals its recorded value."""

ReferenceKind = Literal["paper", "recorded", "own file"]
"""Source of a reference value: the package's variants file, the recorded errors of the synthetic
data set, or the user's variants file."""

THROUGHPUT = "images/s of one batch"
"""Unit of the obtained value of a throughput test."""

OWN_MODELS = "user's own models"
"""Models from the user's variants file, as titles and messages name them."""


class CheckRecord(msgspec.Struct, frozen=True):
    """The outcome of one validation test.

    ``not verified``: there is no recorded value to compare with. ``warning``: the check found a
    contradiction that does not prove an error. Neither passes the check, and neither fails the
    run. ``difference`` is obtained minus expected if both are numbers. ``duplicate_of`` is the test
    that failed first for the same reason, empty for that first test. ``variant`` and
    ``tolerance_mm`` are parameters of the test.
    """

    test: str
    outcome: Outcome
    obtained: str | Number | None = None
    expected: str | Number | None = None
    difference: Number | None = None
    unit: str = ""
    message: str = ""
    duplicate_of: str = ""
    tolerance_mm: Count | None = None
    variant: Name | None = None


class Example(msgspec.Struct, frozen=True):
    """A sample drawn in the report, its poses in the order of Human3.6M's 17 joints.

    ``predicted_mm`` and ``truth_mm`` are the compared poses, relative to the root joint, in camera
    axes. ``predicted_px`` and ``truth_px`` are pixels of the 256x256 crop. ``crop_jpeg`` is the
    crop in base64, None unless frames are embedded.
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


class FieldMetric(msgspec.Struct, frozen=True):
    """The definition of a metric that papers report beside MPJPE."""

    title: str
    unit: Literal["mm", "%"]
    definition: str


class FieldMetricValues(msgspec.Struct, frozen=True):
    """The values of a metric of other papers for one variant.

    ``mean`` is over the samples, as the paper's; ``mean_over_actions`` is the mean of
    ``per_action``, as most other papers report it.
    """

    mean: Finite
    mean_over_actions: Finite
    per_action: dict[str, Finite]


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A variant's checkpoint, and the parameters and multiply-adds of its network.

    ``identity_reason`` has no full stop. ``matched`` are the properties that equal their
    recorded values. ``training_record`` is one line of text, empty in files that lack it.
    ``epoch`` is None if the checkpoint does not record it, and ``not_recorded`` are the parts of a
    training snapshot that it lacks. ``key_prefix`` was removed from its keys.
    """

    file: str
    form: str
    epoch: Count | None
    sha256: str
    head_keys: Literal["modern", "legacy"]
    parameters: Count
    state_elements: Count
    gmacs: Finite
    training_record: str = ""
    identity: Identity = "not verified"
    identity_reason: str = "not recorded"
    matched: tuple[Matched, ...] = ()
    not_recorded: tuple[str, ...] = ()
    key_prefix: str = ""

    @property
    def layout_text(self) -> str:
        """Containers and keys of the file; the published files have the prefix ``module.``."""
        is_usual = self.key_prefix in ("", "module.")
        removed = "" if is_usual else f", prefix {self.key_prefix} removed"
        return f"{self.form}, {self.head_keys} head keys{removed}"


class ReferenceRecord(msgspec.Struct, frozen=True):
    """The expected value of an error.

    The run fails if the difference reaches ``tolerance_mm``, which is None with ``--gate none``.
    """

    value_mm: Finite
    source: str
    kind: ReferenceKind
    tolerance_mm: Finite | None


class CheckpointComparison(msgspec.Struct, frozen=True):
    """The error of the checkpoint's weights without ``--network``, on the same images.

    ``difference_mm`` is the error of ``--network`` minus this error, and ``interval_mm`` its paired
    95 % bootstrap interval, None for fewer than two takes. ``mean_cells`` and ``max_cells`` are the
    absolute differences of the predicted coordinates in heatmap cells.
    """

    error_mm: Finite
    difference_mm: Finite
    interval_mm: Pair | None
    mean_cells: Finite
    max_cells: Finite


class VariantResult(FileRecord, frozen=True, kw_only=True):
    """The error of one variant, and its verdict.

    Either ``mpjpe_mm`` (protocol 2) or ``pa_mpjpe_mm`` (protocol 1) is present, and either
    ``verdict`` or ``not_judged``, the reason for no verdict. ``interval_mm`` is the 95 % bootstrap
    interval of the error over ``sequences`` takes, None for fewer than two. ``unreadable`` counts
    unusable images by reason. ``without_misaligned_mm`` is the error without the samples that
    ``misaligned_takes`` counts. ``repeated_images`` are pairs of a file and the earlier one of the
    same take and camera that it equals. ``resumed_samples`` counts samples from an earlier run's
    cache. ``comparison`` is None without ``--network``. ``field_metrics`` are for information and
    have the same keys as those of ``Results``.
    """

    mpjpe_mm: Finite | msgspec.UnsetType = msgspec.UNSET
    pa_mpjpe_mm: Finite | msgspec.UnsetType = msgspec.UNSET
    interval_mm: Pair | None
    sequences: Count
    reference: ReferenceRecord | None
    difference_mm: Finite | None
    verdict: Verdict | None
    not_judged: str | None = None
    per_action_mm: dict[str, Finite]
    per_joint_mm: dict[str, Finite]
    samples: Count
    complete: bool
    unreadable: dict[str, Count]
    images_sha256: str
    without_misaligned_mm: Finite | None = None
    repeated_images: tuple[tuple[str, str], ...] = ()
    batch_size: Count
    resumed_samples: Count = 0
    field_metrics: dict[str, FieldMetricValues] = {}
    comparison: CheckpointComparison | None = None
    examples: tuple[Example, ...]

    def __post_init__(self) -> None:
        """Refuse contradictory fields, such as an edited verdict."""
        if (self.mpjpe_mm is msgspec.UNSET) == (self.pa_mpjpe_mm is msgspec.UNSET):
            raise ValueError("expected one of `mpjpe_mm` and `pa_mpjpe_mm`")
        difference_mm = None if self.reference is None else self.error_mm - self.reference.value_mm
        if self.difference_mm != difference_mm:
            raise ValueError("expected `difference_mm` to be the error minus the `reference`")
        if (self.verdict is None) == (self.not_judged is None):
            raise ValueError("expected one of `verdict` and `not_judged`")
        expected = None if difference_mm is None else judge_difference(difference_mm)
        if self.verdict is not None and self.verdict != expected:
            raise ValueError("expected the `verdict` that follows from `difference_mm`")

    @property
    def error_mm(self) -> float:
        """The measured error: MPJPE or PA-MPJPE."""
        measured = (self.mpjpe_mm, self.pa_mpjpe_mm)
        return next(mm for mm in measured if not isinstance(mm, msgspec.UnsetType))

    @property
    def reference_mm(self) -> float | None:
        """The expected error, None without a reference."""
        return None if self.reference is None else self.reference.value_mm

    @property
    def is_within_tolerance(self) -> bool | None:
        """True if the error is within its reference's tolerance; None without a verdict."""
        if self.verdict is None or self.reference is None or self.difference_mm is None:
            return None
        return abs(self.difference_mm) < (self.reference.tolerance_mm or 0)

    @property
    def verdict_text(self) -> str:
        """The verdict, or the reason for no verdict."""
        return self.verdict or f"not judged: {self.not_judged}"


class DatasetRecord(msgspec.Struct, frozen=True):
    """The data set of a run.

    ``excluded`` counts the test images that are not samples, by reason. ``boxes`` is the source of
    boxes and root depths. ``misaligned_takes`` counts the samples with misaligned ground truth by
    take, as ``misaligned_source`` reports them.
    """

    root: str
    digest: str
    excluded: dict[str, Count]
    limited: bool
    boxes: str = ""
    misaligned_takes: dict[str, Count] = {}
    misaligned_source: str = ""


class Deviation(msgspec.Struct, frozen=True):
    """A value of a variant compared with that of an earlier run."""

    variant: str
    quantity: str
    before: str | Number | None
    now: str | Number | None
    is_worse: bool


class BaselineRecord(msgspec.Struct, frozen=True):
    """The comparison of a run with an earlier one."""

    file: str
    started: str
    tolerance_mm: Finite
    deviations: tuple[Deviation, ...]
    problems: tuple[str, ...]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The results of a run of one target.

    ``left_out`` are the reasons, besides failed checks, why the run did not pass. ``gate_mm`` is
    None for ``--gate none``. With ``weights_only`` no error was measured: ``variants`` is empty,
    and ``weights`` contains the judged files. With ``own_models``, models and expected values are
    from the user's variants file, and no published model was judged. ``network`` is the value of
    ``--network``. ``passed`` is the gate's decision. ``run_id`` identifies the run, and may be set
    by the caller. ``field_metrics`` defines the metrics of the variants.
    """

    schema_version: Literal[3] = 3
    target: Literal["published", "synthetic"]
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
    field_metrics: dict[str, FieldMetric] = {}

    def __post_init__(self) -> None:
        """Refuse a variant that is called complete but lacks samples."""
        if any(v.complete and v.samples != self.expected_samples for v in self.variants.values()):
            raise ValueError("expected a `complete` variant to have `expected_samples`")

    @property
    def judged_models(self) -> str:
        """The judged models, as named in titles."""
        models = OWN_MODELS if self.own_models else f"{self.target} models"
        if self.weights_only:
            return f"{models.removesuffix('models')}weights (MPJPE not measured)"
        return models

    @property
    def metric(self) -> str:
        """Name of the measured error."""
        return METRIC_TITLES[self.protocol]

    @property
    def featured(self) -> dict[Name, VariantResult]:
        """The variants shown in detail: of the synthetic ones only the trained model."""
        if self.target == "synthetic" and REFERENCE in self.variants:
            return {REFERENCE: self.variants[REFERENCE]}
        return self.variants

    @property
    def images_per_second(self) -> dict[str, float]:
        """The throughput of one batch, by variant, as measured by its test."""
        return {
            check.variant: check.obtained
            for check in self.checks
            if check.unit == THROUGHPUT and check.variant and isinstance(check.obtained, float)
        }

    @property
    def gate_text(self) -> str:
        """The difference that fails the run, in words."""
        gate = f"{self.gate_mm} mm or more"
        if self.target == "synthetic":
            gate = f"{RECORDED_TOLERANCE_MM} mm or more from the recorded error"
        elif self.gate_mm is None:
            return "no difference fails the run (--gate none)"
        return f"a difference of {gate} fails the run"

    @property
    def failed_checks(self) -> tuple[CheckRecord, ...]:
        """The checks that failed or were skipped."""
        return tuple(check for check in self.checks if check.outcome in ("failed", "skipped"))

    @property
    def warnings(self) -> tuple[CheckRecord, ...]:
        """The checks with a warning."""
        return tuple(check for check in self.checks if check.outcome == "warning")
