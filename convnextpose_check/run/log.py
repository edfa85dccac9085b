"""The log of a variant: what was evaluated, where it is from, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from convnextpose_check.checkpoints.fingerprints import describe_copy
from convnextpose_check.checkpoints.provenance import format_epoch, provenance
from convnextpose_check.checks.archives import check_published_tensors
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.results.schema import METRIC_TITLES
from convnextpose_check.run.run import Run
from convnextpose_check.wording import printable


@contextmanager
def variant_log(path: Path, variant: str) -> Iterator[logging.Logger]:
    """The variant's log file, ``<results-dir>/log/test_<V>.log``, begun afresh.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    log = logging.getLogger(f"convnextpose_check.{variant}")
    log.setLevel(logging.INFO)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_LogFile(path, mode="w", encoding="utf-8")) as handler:
            handler.setFormatter(_LogLine("%(asctime)s %(levelname)s %(message)s"))
            log.addHandler(handler)
            try:
                yield log
            finally:
                log.removeHandler(handler)
    except OSError as error:
        raise cannot_write(path, error) from None


def tell_files(run: Run, variant: str, log: logging.Logger) -> None:
    """What was evaluated."""
    checkpoint = run.checkpoints[variant]
    log.info("checkpoint %s (%s)", checkpoint.path, checkpoint.form)
    log.info("sha256 %s, %s", checkpoint.sha256, provenance_text(run, variant))
    dataset = run.dataset
    log.info("%d samples below %s", len(dataset.samples), dataset.layout.root)
    for exclusion in dataset.excluded:
        log.warning("excluded %s: %s", exclusion.file_name, exclusion.reason)


def tell_evaluation(evaluation: Evaluation, judgement: Judgement, log: logging.Logger) -> None:
    """What was measured, the whole and each action."""
    for exclusion in evaluation.unreadable:
        log.warning("left out %s: %s", exclusion.file_name, exclusion.reason)
    title = METRIC_TITLES[evaluation.protocol]
    log.info(
        "protocol %d, %s %.4f mm over %d samples in %.1f s: %s",
        evaluation.protocol, title, evaluation.error_mm, len(evaluation.image_ids),
        evaluation.seconds, judgement,
    )  # fmt: skip
    log.info("reading images took %.1f s more, once for all", evaluation.reading_seconds)
    for action, error_mm in evaluation.per_action_mm().items():
        log.info("%-13s %8.2f mm", action, error_mm)


def provenance_text(run: Run, variant: str) -> str:
    """The training record of the variant's checkpoint in one line."""
    checkpoint, known = run.checkpoints[variant], run.fingerprints.get(variant)
    try:
        tensors = check_published_tensors(known, checkpoint)
    except CheckFailedError as error:
        tensors = error.problem
    parts = (
        format_epoch(run.catalogue[variant].checkpoint.epoch, checkpoint.epoch),
        provenance(checkpoint).story,
        tensors,
        describe_copy(known, checkpoint),
    )
    return "; ".join(filter(None, parts))


class _LogLine(logging.Formatter):
    """One line for each record, whatever the names in it hold."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """A log that does not hide that it cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's name
        raise
