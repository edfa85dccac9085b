"""What is known of the data set is told: displaced takes, repeated frames, which RootNet file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from convnextpose_check.checks.dataset import check_rootnet_file
from convnextpose_check.checks.error import check_images_are_distinct
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.displaced import Displaced, Take
from convnextpose_check.human36m.samples import DatasetFacts, load_dataset, read_facts
from convnextpose_check.network.cost import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.pages.html import summary_html
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.results.schema import Results
from convnextpose_check.run.run import Run
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.datasets import FACTS, ROOTNET, Handmade
from tests.support.full_size import write_own_model
from tests.support.runs import run_of, written_results

if TYPE_CHECKING:
    from torch.nn import Module

DISPLACED = Displaced("a paper", (Take(9, "Directions", 1, 2), Take(9, "Greeting", 2, 92)))


def wider(architecture: Architecture) -> Module:
    """A network with weights that the published one lacks."""
    from torch.nn import Conv2d, Sequential

    from convnextpose_check.network.plain import ConvNeXtPose

    return Sequential(Conv2d(3, 3, 1), ConvNeXtPose(architecture))


def judged(
    root: Path, inputs: Path, tiny: Architecture, facts: DatasetFacts, **given: str
) -> tuple[Results, Run]:
    """A tiny model of one's own, judged on the data set below ``root``."""
    import json

    inputs.mkdir()
    (inputs / "own.json").write_text(json.dumps(write_own_model(tiny, inputs)))
    catalogue = read_json(inputs / "own.json", Catalogue)
    given = {"results_dir": str(inputs / "out")} | given
    run = run_of(given, catalogue, facts, root, inputs)
    run.judgement("T")
    return written_results(run), run


def test_published_takes_are_the_296_samples_of_subject_9() -> None:
    known = read_facts().displaced
    assert known is not None
    assert [(take.sequence_start, take.samples) for take in known.takes] == [
        ("s_09_act_05_subact_02_", 92),
        ("s_09_act_10_subact_02_", 100),
        ("s_09_act_13_subact_01_", 104),
    ]
    assert sum(take.samples for take in known.takes) == 296
    assert "issue 119" in known.source


def test_error_is_told_with_displaced_samples_and_without(
    tiny: Architecture, tmp_path: Path
) -> None:
    root = Handmade().write(tmp_path / "set")
    results, run = judged(root, tmp_path / "in", tiny, replace(FACTS, displaced=DISPLACED))
    record, evaluation = results.variants["T"], run.evaluations["T"]

    assert results.dataset.displaced is not None
    assert results.dataset.displaced.takes == {"S9 Directions 1": 2}
    kept = [not name.startswith("s_09_act_02_subact_01") for name in evaluation.file_names]
    assert sum(kept) == 4
    assert record.without_displaced_mm == pytest.approx(evaluation.errors_mm[kept].mean())
    assert record.without_displaced_mm != pytest.approx(record.error_mm)
    for page in (markdown(results), summary_html([(results, {})])):
        assert f"{record.without_displaced_mm:.3f}" in page
        assert "2 of the samples" in page
        assert "S9 Directions 1: 2" in page


def test_nothing_is_said_of_displaced_samples_where_none_is_known(
    tiny: Architecture, tmp_path: Path
) -> None:
    root = Handmade().write(tmp_path / "set")
    results, _ = judged(root, tmp_path / "in", tiny, FACTS)

    assert results.dataset.displaced is None
    assert results.variants["T"].without_displaced_mm is None
    assert "known to be displaced" not in summary_html([(results, {})])


def test_set_without_the_displaced_takes_has_no_second_error() -> None:
    errors_mm = np.ones((2, 17))
    assert DISPLACED.found(["s_11_act_02_subact_01_ca_01_000001.jpg"]) == {}
    assert DISPLACED.error_without_mm(
        errors_mm, ["s_11_act_02_subact_01_ca_01_000001.jpg"] * 2
    ) is (None)


@pytest.mark.parametrize(
    ("other", "is_fault"),
    [
        ("s_09_act_02_subact_01_ca_01_000065.jpg", False),
        ("s_11_act_02_subact_01_ca_01_000001.jpg", True),
    ],
)
def test_copies_are_a_fault_between_takes_and_a_note_within_one(
    tiny: Architecture, tmp_path: Path, other: str, is_fault: bool
) -> None:
    root = Handmade().write(tmp_path / "set")
    first = "s_09_act_02_subact_01_ca_01_000001.jpg"
    path, copy = (root / "images" / name[:27] / name for name in (first, other))
    shutil.copyfile(path, copy)
    results, run = judged(root, tmp_path / "in", tiny, FACTS)
    evaluation = run.evaluations["T"]

    assert len(evaluation.alike) == 1
    if is_fault:
        with pytest.raises(CheckFailedError, match=f"1 of the images are copies.*{first}"):
            check_images_are_distinct(evaluation)
        assert results.variants["T"].repeated_images == ()
    else:
        assert check_images_are_distinct(evaluation) == 6
        assert results.variants["T"].repeated_images == ((other, first),)
        for page in (markdown(results), summary_html([(results, {})])):
            assert "1 images of T are copies" in page


def facts_with_rootnet() -> DatasetFacts:
    protocols = {
        protocol: replace(facts, rootnet=f"the file of protocol {protocol}")
        for protocol, facts in FACTS.protocols.items()
    }
    return replace(FACTS, protocols=protocols)


def test_rootnet_file_is_told_by_the_images_it_covers(tmp_path: Path) -> None:
    root = Handmade().write(tmp_path / "set")
    facts = facts_with_rootnet()

    both = load_dataset(root, facts, 2, "rootnet")

    assert check_rootnet_file(both) == (
        f"RootNet's {ROOTNET} for 4 images of subject 9 and 4 images of subject 11:"
        " the file of protocol 2"
    )
    with pytest.raises(CheckFailedError, match="is not RootNet's file for protocol 1") as caught:
        check_rootnet_file(load_dataset(root, facts, 1, "rootnet"))
    assert "4 images of subject 11 and 4 images of other subjects" in caught.value.problem
    assert caught.value.remedy
    assert check_rootnet_file(load_dataset(root, facts, 1, "gt")) == "the ground truth's boxes"
    assert "of other subjects" in check_rootnet_file(load_dataset(root, FACTS, 1, "rootnet"))


def test_rootnet_file_of_one_subject_serves_that_protocol_alone(tmp_path: Path) -> None:
    made = Handmade()
    made.rootnet = [entry for entry in made.rootnet if entry["image_id"] >= 200]
    root = made.write(tmp_path / "set")
    facts = facts_with_rootnet()

    assert "4 images of subject 11: the file of" in check_rootnet_file(
        load_dataset(root, facts, 1, "rootnet")
    )
    with pytest.raises(CheckFailedError, match="0 images of subject 9"):
        check_rootnet_file(load_dataset(root, facts, 2, "rootnet"))


def test_published_facts_name_a_rootnet_file_for_each_protocol() -> None:
    protocols = read_facts().protocols
    for protocol, subjects, trained in ((1, "11", "1,5,6,7,8,9"), (2, "9,11", "1,5,6,7,8")):
        expected = f"Subject {subjects} (trained on subject {trained})"
        assert expected == protocols[protocol].rootnet  # type: ignore[index]


def test_results_say_which_boxes(tiny: Architecture, tmp_path: Path) -> None:
    root = Handmade().write(tmp_path / "set")
    results, _ = judged(root, tmp_path / "in", tiny, FACTS, bbox="rootnet")

    assert results.dataset.boxes == (
        f"RootNet's {ROOTNET} for 4 images of subject 9 and 4 images of subject 11"
    )
    assert "4 images of subject 9" in summary_html([(results, {})])
    assert "4 images of subject 9" in markdown(results)


def test_counts_in_the_results_are_those_of_the_network_of_ones_own(
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
    root = Handmade().write(tmp_path / "set")
    results, run = judged(root, tmp_path / "in", tiny, FACTS, network="wider_factory:build")
    record, module, plain = (
        results.variants["T"],
        run.models["T"].counted,
        run.models["T"].reference,
    )

    assert record.parameters == parameter_count(module) == parameter_count(plain) + 12
    assert record.state_elements == state_element_count(module.state_dict())
    assert record.gmacs == multiply_add_count(module) / 1e9 != multiply_add_count(plain) / 1e9
