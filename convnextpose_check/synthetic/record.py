"""Reads and records the expected errors of the synthetic models.

``python -m convnextpose_check.synthetic.record fixtures`` evaluates the models under every setting
and updates ``fixtures/synthetic.json``.
"""

import json
import sys
from itertools import product
from pathlib import Path

import msgspec
import torch

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.evaluation.measurements import ModelEntry
from convnextpose_check.evaluation.one_pass import Conditions, evaluate
from convnextpose_check.files.json_files import read_json
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.human36m.samples import BoxSource, DatasetFacts, load_dataset
from convnextpose_check.network.layout import build_network
from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.synthetic.build import cached_synthetic_data
from convnextpose_check.synthetic.reference import synthetic_catalogue
from convnextpose_check.variants import Catalogue, Protocol, ReportedValue

RECORD_FILE = "synthetic.json"
PROTOCOLS: tuple[Protocol, ...] = (1, 2)
BOXES: tuple[BoxSource, ...] = ("gt", "rootnet")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The expected sample counts and errors of the synthetic data set.

    ``errors_mm`` maps a setting (see ``setting_name``) to each variant's error. A run must
    reproduce it within ``tolerance_mm``.
    """

    about: str
    tolerance_mm: float
    dataset: DatasetFacts
    errors_mm: dict[str, dict[str, float]]

    def add_to(
        self, catalogue: Catalogue, protocol: Protocol, boxes: BoxSource, *, flip: bool
    ) -> Catalogue:
        """Return the catalogue with the errors of this setting as reported values."""
        errors_mm = self.errors_mm[setting_name(protocol, boxes, flip)]
        variants = []
        for variant in catalogue.variants:
            recorded = ReportedValue(errors_mm[variant.name], f"fixtures/{RECORD_FILE}")
            paper = msgspec.structs.replace(
                variant.paper,
                mpjpe_mm=recorded if protocol == 2 else None,
                pa_mpjpe_mm=recorded if protocol == 1 else None,
            )
            variants.append(msgspec.structs.replace(variant, paper=paper))
        return msgspec.structs.replace(catalogue, variants=tuple(variants))


def read_record(fixtures: Path) -> Record:
    """Read ``synthetic.json`` from the ``fixtures`` folder."""
    return read_json(fixtures / RECORD_FILE, Record)


def setting_name(protocol: Protocol, boxes: BoxSource, flip: bool) -> str:
    """The key of a setting in ``Record.errors_mm``."""
    return f"protocol {protocol}, {boxes}, {'flip' if flip else 'no flip'}"


def measure_errors_mm(fixtures: Path, facts: DatasetFacts) -> dict[str, dict[str, float]]:
    """Evaluate every variant under every setting, on the CPU."""
    synthetic, cpu = cached_synthetic_data(fixtures), torch.device("cpu")
    catalogue = synthetic_catalogue()
    files = CheckpointFiles([synthetic.checkpoints], catalogue)
    entries = {}
    for variant in catalogue.variants:
        network = build_network(variant.architecture, files.load(variant.name).state, cpu)
        entries[variant.name] = ModelEntry(network)
    errors_mm: dict[str, dict[str, float]] = {}
    for protocol, boxes, flip in product(PROTOCOLS, BOXES, (True, False)):
        dataset = load_dataset(synthetic.dataset, facts, protocol, boxes)
        setting = setting_name(protocol, boxes, flip)
        conditions = Conditions((cpu,), flip, batch_size=4, workers=2)
        display = ProgressDisplay(sys.stderr)
        outcomes = evaluate(entries, dataset, conditions, display=display)
        errors_mm[setting] = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                raise outcome
            errors_mm[setting][name] = round(outcome.error_mm, 6)
    return errors_mm


def main(fixtures: Path) -> None:
    """Measure the errors and update the record."""
    path = fixtures / RECORD_FILE
    measured = {"errors_mm": measure_errors_mm(fixtures, read_record(fixtures).dataset)}
    content = json.loads(path.read_text(encoding="utf-8")) | measured
    write_text(path, json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
