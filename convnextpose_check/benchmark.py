"""Evaluate a subject's variants and keep what comes out: results, logs and snapshots."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from convnextpose_check.counting import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.devices import device_title
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files import cannot_write
from convnextpose_check.keymap import key_style
from convnextpose_check.results import (
    LOG_FOLDER,
    METRIC_FIELDS,
    METRIC_TITLES,
    SCHEMA_VERSION,
    environment,
    set_aside_earlier,
    write_results,
)
from convnextpose_check.subjects import Subject
from convnextpose_check.verdicts import Judgement


class Benchmark:
    """The evaluations of one subject; after each variant the results file is written whole."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.results: dict[str, Any] = {}
        self._begun = False

    def judgement(self, variant: str) -> Judgement:
        """Evaluate the variant, or recall its evaluation, and hold it against its reference."""
        if not self._begun:
            set_aside_earlier(self.subject.settings.results_dir)
            self._begun = True
        if variant not in self.results.get("variants", {}):
            with self._log(variant) as log:
                self._evaluate(variant, log)
        return self.subject.judgement(variant)

    def _evaluate(self, variant: str, log: logging.Logger) -> None:
        subject = self.subject
        try:
            checkpoint = subject.checkpoint(variant)
            log.info("checkpoint %s (%s)", checkpoint.path, checkpoint.form)
            log.info("sha256 %s, epoch %d", checkpoint.sha256, checkpoint.epoch)
            dataset = subject.dataset()
            log.info("%d samples below %s", len(dataset.samples), dataset.layout.root)
            for exclusion in dataset.excluded:
                log.warning("excluded %s: %s", exclusion.file_name, exclusion.reason)
            evaluation = subject.evaluation(variant)
        except ConvNeXtPoseCheckError as error:
            log.error("%s", error)
            raise
        for exclusion in evaluation.unreadable:
            log.warning("left out %s: %s", exclusion.file_name, exclusion.reason)
        title = METRIC_TITLES[evaluation.protocol]
        log.info(
            "protocol %d, %s %.4f mm over %d samples in %.1f s: %s",
            evaluation.protocol, title, evaluation.error_mm, len(evaluation.image_ids),
            evaluation.seconds, subject.judgement(variant).verdict,
        )  # fmt: skip
        for action, error_mm in evaluation.per_action_mm().items():
            log.info("%-13s %8.2f mm", action, error_mm)
        if not self.results:
            self.results = self._header()
        self.results["variants"][variant] = self._variant_record(variant)
        records = self.results["variants"].values()
        self.results["samples"] = min(record["samples"] for record in records)
        self.results["complete"] = self.results["variants"].keys() >= set(
            self.results["expected_variants"]
        ) and all(record["complete"] for record in records)
        write_results(self.results, subject.settings.results_dir)

    def _header(self) -> dict[str, Any]:
        settings, dataset = self.subject.settings, self.subject.dataset()
        device = device_title(self.subject.device())
        return {
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject.name,
            "protocol": dataset.protocol,
            "bbox": dataset.boxes,
            "flip": settings.flip,
            "device": device,
            "precision": "fp32",
            "samples": 0,
            "expected_samples": dataset.facts.samples,
            "expected_variants": list(settings.variants or self.subject.catalogue.names),
            "complete": False,
            "gate_mm": settings.gate,
            "environment": environment(),
            "dataset": {
                "root": str(dataset.layout.root),
                "digest": dataset.digest,
                "excluded": len(dataset.excluded),
                "limited": dataset.limited,
            },
            "variants": {},
        }

    def _variant_record(self, variant: str) -> dict[str, Any]:
        subject = self.subject
        checkpoint, network = subject.checkpoint(variant), subject.network(variant)
        evaluation, judgement = subject.evaluation(variant), subject.judgement(variant)
        reference = judgement.reference
        return {
            "file": checkpoint.path.name,
            "form": checkpoint.form,
            "epoch": checkpoint.epoch,
            "sha256": checkpoint.sha256,
            "head_keys": key_style(checkpoint.network),
            "parameters": parameter_count(network),
            "state_elements": state_element_count(network.state_dict()),
            "gmacs": multiply_add_count(network) / 1e9,
            METRIC_FIELDS[evaluation.protocol]: evaluation.error_mm,
            "reference_mm": reference.value if reference else None,
            "reference_source": reference.source if reference else None,
            "difference_mm": judgement.difference_mm,
            "verdict": judgement.verdict,
            "per_action_mm": evaluation.per_action_mm(),
            "per_joint_mm": evaluation.per_joint_mm(),
            "samples": len(evaluation.image_ids),
            "complete": evaluation.complete,
            "images_sha256": evaluation.images_sha256,
            "seconds": evaluation.seconds,
            "batch_size": evaluation.batch_size,
        }

    @contextmanager
    def _log(self, variant: str) -> Iterator[logging.Logger]:
        """The variant's log file, ``<results-dir>/log/test_<V>.log``, begun afresh."""
        path = self.subject.settings.results_dir / LOG_FOLDER / f"test_{variant}.log"
        log = logging.getLogger(f"convnextpose_check.{variant}")
        log.setLevel(logging.INFO)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(_LogFile(path, mode="w", encoding="utf-8")) as handler:
                handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
                log.addHandler(handler)
                try:
                    yield log
                finally:
                    log.removeHandler(handler)
        except OSError as error:
            raise cannot_write(path, error) from None


class _LogFile(logging.FileHandler):
    """A log that does not hide that it cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's name
        raise
