"""Samples with misaligned ground truth are counted, and the error is reported without them too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from torch.nn import Module

from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.displaced import Displaced, Take
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.network.cost import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.datasets import FACTS, ROOTNET, Handmade
from tests.support.full_size import write_own_model
from tests.support.runs import run_of, written_results

DISPLACED = Displaced("a paper", (Take(9, "Directions", 1, 2), Take(9, "Greeting", 2, 92)))


def test_read_facts_displaced_takes_are_296_samples_of_subject_9() -> None:
    known = read_facts().displaced

    assert known is not None
    assert [(take.sequence_start, take.samples) for take in known.takes] == [
        ("s_09_act_05_subact_02_", 92),
        ("s_09_act_10_subact_02_", 100),
        ("s_09_act_13_subact_01_", 104),
    ]
    assert "issue 119" in known.source


def test_displaced_are_counted_and_left_out_of_error() -> None:
    names = [f"s_{n}_subact_01_ca_01_000001.jpg" for n in ("09_act_02", "11_act_02", "09_act_03")]
    errors_mm = np.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]])

    assert DISPLACED.found(names) == {"S9 Directions 1": 1}
    assert DISPLACED.error_without_mm(errors_mm, names) == 2.5
    assert DISPLACED.error_without_mm(errors_mm[:1], names[:1]) is None
    assert DISPLACED.error_without_mm(errors_mm[1:], names[1:]) is None


def wider(architecture: Architecture) -> Module:
    """A network with weights that the published one lacks."""
    from torch.nn import Conv2d, Sequential

    from convnextpose_check.network.plain import ConvNeXtPose

    return Sequential(Conv2d(3, 3, 1), ConvNeXtPose(architecture))


def test_results_own_network_and_data_set_have_their_own_values(
    tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wider_factory.py").write_text(
        "from tests.library.human36m.test_displaced import wider\n"
        "TINY = None\n"
        "def build(variant):\n    return wider(TINY)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import wider_factory  # type: ignore[import-not-found]  # written above

    wider_factory.TINY = tiny
    root, inputs = Handmade().write(tmp_path / "set"), tmp_path / "in"
    inputs.mkdir()
    (inputs / "own.json").write_text(json.dumps(write_own_model(tiny, inputs)))
    options = {
        "results_dir": str(inputs / "out"), "network": "wider_factory:build", "bbox": "rootnet",
    }  # fmt: skip
    facts = replace(FACTS, displaced=DISPLACED)
    run = run_of(options, read_json(inputs / "own.json", Catalogue), facts, root, inputs)
    run.judgement("T")

    results, evaluation = written_results(run), run.evaluations["T"]

    record, model = results.variants["T"], run.models["T"]
    counted, reference = model.counted, model.reference
    assert record.parameters == parameter_count(counted) == parameter_count(reference) + 12
    assert record.state_elements == state_element_count(counted.state_dict())
    assert record.gmacs == multiply_add_count(counted) / 1e9 != multiply_add_count(reference) / 1e9
    assert results.dataset.boxes == (
        f"RootNet's {ROOTNET} for 4 images of subject 9 and 4 images of subject 11"
    )
    assert results.dataset.displaced is not None
    assert results.dataset.displaced.takes == {"S9 Directions 1": 2}
    others = [not name.startswith("s_09_act_02_subact_01") for name in evaluation.file_names]
    assert record.without_displaced_mm == pytest.approx(evaluation.errors_mm[others].mean())
