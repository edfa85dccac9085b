"""A trial's values reach results and log under their own names, each computed once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from convnextpose_check.plugin.subjects import open_trials
from convnextpose_check.run.published import published_trial
from convnextpose_check.run.trial import SubjectName, Trial

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import judge
from convnextpose_check.human36m.displaced import Displaced, Take
from convnextpose_check.human36m.samples import Exclusion
from convnextpose_check.paths import Outputs
from convnextpose_check.progress import Screen
from convnextpose_check.results.per_sample import read_errors_by_file_mm
from convnextpose_check.results.schema import DisplacedRecord, ReferenceRecord
from convnextpose_check.run.record import results_of, variant_result
from convnextpose_check.settings.read import read_settings
from convnextpose_check.variants import Catalogue, Figure, read_catalogue
from tests.support.datasets import FACTS
from tests.support.runs import run_of, written_results
from tests.support.texts import ROOT

Open = Callable[..., Trial]


@pytest.fixture
def open_trial(inputs: Path) -> Open:
    """Open a trial of the models T and U on six images."""

    def opened(name: SubjectName = "published", **given: str) -> Trial:
        return run_of(
            {"results_dir": str(inputs / "out")} | given,
            read_catalogue(inputs / "own.json"),
            FACTS,
            inputs / "h36m",
            inputs / "models",
            name=name,
            reference=lambda variant: Figure(700.0 + len(variant), "a first run"),
        )

    return opened


def test_results_hold_each_value_under_its_name(inputs: Path, open_trial: Open) -> None:
    trial = open_trial(variants="T", gate="2mm", variants_file=str(inputs / "own.json"))
    evaluation = trial.evaluation("T")

    results = written_results(trial)

    record, checkpoint = results.variants["T"], trial.files.checkpoint("T")
    assert (results.subject, results.own_models, results.gate_mm) == ("published", True, 2)
    assert (results.device, results.complete, results.samples) == ("cpu", True, 6)
    assert results.dataset.root == str(inputs / "h36m")
    assert results.dataset.digest == trial.files.dataset().digest
    assert results.dataset.boxes == "the ground truth's boxes"
    assert not results.dataset.limited
    assert results.dataset.displaced is None
    assert (record.file, record.epoch, record.head_keys) == ("own_T.pth", 1, "modern")
    assert (record.form, record.sha256) == (checkpoint.form, checkpoint.sha256)
    own = trial.catalogue["T"]
    assert (record.parameters, record.state_elements) == (own.parameters, own.state_elements)
    assert record.gmacs == own.multiply_adds / 1e9
    assert record.identity == "not verified"
    assert record.matched == ("architecture", "counts", "epoch")
    assert record.provenance is not None
    assert record.provenance.epoch == "epoch 1"
    assert (record.paper_parameters_millions, record.paper_gmacs) == (None, None)
    assert record.mpjpe_mm == record.error_mm == evaluation.error_mm
    assert record.reference == ReferenceRecord(701.0, "a first run", "own file", 2)
    assert record.difference_mm == evaluation.error_mm - 701.0
    assert record.verdict_text == trial.judgement("T").verdict
    assert (record.per_action_mm, record.per_joint_mm) == (
        evaluation.per_action_mm(), evaluation.per_joint_mm(),
    )  # fmt: skip
    assert (record.samples, record.complete, record.resumed_samples) == (6, True, 0)
    assert record.images_sha256 == evaluation.images_sha256
    assert (record.seconds, record.reading_seconds) == (
        evaluation.seconds, evaluation.reading_seconds,
    )  # fmt: skip
    assert record.images_per_second == evaluation.images_per_second
    assert (record.batch_size, record.soft_argmax) == (4, "torch")
    assert record.without_displaced_mm is None
    assert {example.crop_jpeg for example in record.examples} == {None}
    by_file = read_errors_by_file_mm(Outputs(inputs / "out").per_sample)["T"]
    assert np.mean(list(by_file.values())) == pytest.approx(evaluation.error_mm)


def test_results_of_synthetic_target_are_recorded_values_with_pictures(open_trial: Open) -> None:
    trial = open_trial("miniature", variants="T", protocol="1")
    trial.evaluation("T")

    record = results_of(trial).variants["T"]

    assert record.pa_mpjpe_mm == record.error_mm
    assert [bool(each.crop_jpeg) for each in record.examples[:4]] == [True] * 3 + [False]
    assert not results_of(trial).own_models


def test_results_published_pictures_are_embedded_on_request(open_trial: Open) -> None:
    trial = open_trial(variants="T", embed_images="1")
    trial.evaluation("T")

    assert results_of(trial).variants["T"].examples[0].crop_jpeg


def test_results_count_what_was_left_out_and_displaced(open_trial: Open) -> None:
    trial = open_trial(variants="T")
    evaluation = trial.evaluation("T")
    left_out = (
        Exclusion(1, "a.jpg", "torn"),
        Exclusion(2, "b.jpg", "empty"),
        Exclusion(3, "c.jpg", "torn"),
    )
    alike = (("s_09_act_02_subact_01_ca_01_000065.jpg", "s_09_act_02_subact_01_ca_01_000001.jpg"),)
    changed = replace(evaluation, unreadable=left_out, alike=alike, complete=False)

    record = variant_result(trial, "T", changed, judge(changed, None), None)

    assert record.unreadable == {"torn": 2, "empty": 1}
    assert record.repeated_images == changed.repeated
    assert not record.complete
    assert (record.reference, record.difference_mm, record.verdict) == (None,) * 3
    assert record.not_judged == "subset of 6 samples"
    assert record.provenance is None


def test_results_count_samples_that_are_known_to_be_displaced(
    open_trial: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Displaced("a paper", (Take(11, "WalkTogether", 2, 2),))
    facts = msgspec.structs.replace(FACTS, displaced=known)
    monkeypatch.setattr(f"{__name__}.FACTS", facts)
    trial = open_trial(variants="T")
    evaluation = trial.evaluation("T")

    results = results_of(trial)

    found = known.found(evaluation.file_names)
    assert found
    assert results.dataset.displaced == DisplacedRecord(found, "a paper")
    without = known.error_without_mm(evaluation.errors_mm, evaluation.file_names)
    assert results.variants["T"].without_displaced_mm == without
    assert without is not None


def test_results_before_any_evaluation_have_no_variants(inputs: Path, open_trial: Open) -> None:
    results = results_of(open_trial(gate="none", limit="4", variants="U"))

    assert (results.variants, results.expected_variants) == ({}, ("U",))
    assert (results.samples, results.expected_samples, results.complete) == (0, 6, False)
    assert results.gate_mm is None
    assert results.dataset.limited
    assert not (inputs / "out").exists()


def test_results_of_one_of_two_variants_are_incomplete(open_trial: Open, inputs: Path) -> None:
    (inputs / "models" / "own_U.pth").write_bytes(b"torn")
    trial = open_trial()
    with pytest.raises(ConvNeXtPoseCheckError):
        trial.evaluation("U", ("T", "U"))

    results = written_results(trial)

    assert list(results.variants) == ["T"]
    assert not results.complete
    assert list(trial.evaluations) == ["T"]
    log = Outputs(inputs / "out").log("U").read_text()
    assert " ERROR [" in log
    assert "MPJPE" not in log


def test_results_of_weights_have_every_file_that_could_be_loaded(
    open_trial: Open, inputs: Path
) -> None:
    (inputs / "models" / "own_U.pth").write_bytes(b"torn")
    trial = open_trial(weights_only="1")

    results = results_of(trial)

    assert results.weights_only
    assert list(results.weights) == ["T"]
    assert results.expected_variants == ("T", "U")
    assert results.weights["T"].sha256 == trial.files.checkpoint("T").sha256
    assert results.device == "cpu"
    assert results.variants == {}


def test_results_of_synthetic_target_are_never_of_weights_alone(open_trial: Open) -> None:
    assert not results_of(open_trial("miniature", weights_only="1")).weights_only


def test_log_says_what_was_evaluated_and_what_came_of_it(inputs: Path, open_trial: Open) -> None:
    trial = open_trial(variants="T")
    evaluation = trial.evaluation("T")
    trial.outcomes["T"] = replace(evaluation, unreadable=(Exclusion(1, "a.jpg", "torn"),))

    written_results(trial)
    lines = [
        line.split(" ", 2)[2] for line in Outputs(inputs / "out").log("T").read_text().splitlines()
    ]

    checkpoint = trial.files.checkpoint("T")
    assert lines[0] == f"INFO checkpoint {inputs / 'models' / 'own_T.pth'} ({checkpoint.form})"
    assert lines[1].startswith(f"INFO sha256 {checkpoint.sha256}, epoch 1")
    assert lines[2] == f"INFO 6 samples below {inputs / 'h36m'}"
    assert "WARNING left out a.jpg: torn" in lines
    assert any(
        line.startswith(f"INFO protocol 2, MPJPE {evaluation.error_mm:.4f} mm over 6 samples in ")
        for line in lines
    )
    for action, error_mm in evaluation.per_action_mm().items():
        assert f"INFO {action:13} {error_mm:8.2f} mm" in lines


def test_log_that_cannot_be_written_is_told(inputs: Path, open_trial: Open) -> None:
    trial = open_trial(variants="T")
    trial.evaluation("T")
    (inputs / "out" / "log").write_text("a file")

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        written_results(trial)
    assert caught.value.code == "cannot-write"


def test_evaluation_is_shared_and_remembered(
    open_trial: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convnextpose_check.evaluation.evaluate import evaluate

    passes: list[list[str]] = []

    def counted(entries: dict[str, Any], *given: Any, **more: Any) -> Any:
        passes.append(list(entries))
        return evaluate(entries, *given, **more)

    monkeypatch.setattr("convnextpose_check.run.trial.evaluate", counted)
    trial = open_trial()

    first = trial.evaluation("U", ("T",))

    assert passes == [["T", "U"]]
    assert trial.evaluation("U") is first
    assert isinstance(trial.evaluation("T"), Evaluation)
    assert list(trial.evaluations) == ["T", "U"]
    assert len(passes) == 1
    assert trial.judgement("T").reference == Figure(701.0, "a first run")


@pytest.mark.parametrize(
    ("name", "given", "kind", "is_weights_only"),
    [
        ("published", {}, "paper", False),
        ("published", {"variants_file": "own.json"}, "own file", False),
        ("miniature", {"variants_file": "own.json"}, "recorded", False),
        ("published", {"weights_only": "1"}, "paper", True),
        ("miniature", {"weights_only": "1"}, "recorded", False),
    ],
)
def test_trial_knows_where_its_references_are_from(
    open_trial: Open, name: Any, given: dict[str, str], kind: str, *, is_weights_only: bool
) -> None:
    trial = open_trial(name, **given)

    assert (trial.reference_kind, trial.is_weights_only) == (kind, is_weights_only)


def test_files_without_places_name_the_option(inputs: Path) -> None:
    files = run_of({}, read_catalogue(inputs / "own.json"), FACTS, None).files

    for read, code in (
        (lambda: files.checkpoint("T"), "no-checkpoints"), (files.dataset, "no-data"),
    ):  # fmt: skip
        with pytest.raises(ConvNeXtPoseCheckError) as caught:
            read()
        assert caught.value.code == code


def test_files_are_found_and_read_once(inputs: Path, open_trial: Open) -> None:
    files = open_trial(limit="4", variants="U,T,nobody").files

    assert files.chosen == ("U", "T")
    assert open_trial().files.chosen == ("T", "U")
    assert files.sources() is files.sources()
    assert files.checkpoint("T") is files.checkpoint("T")
    assert files.checkpoint("U").epoch == 2
    assert files.dataset() is files.dataset()
    assert len(files.dataset().samples) == 4
    assert files.test_subjects == (9, 11)
    assert open_trial(protocol="1").files.test_subjects == (11,)
    assert files.snapshot("T").parent.parent == inputs / "out"
    assert files.snapshot("U").name == "snapshot_2.pth"
    assert set(files.state("T")) == set(open_trial().networks.plain("T").state_dict())


def test_conditions_are_those_of_the_settings(open_trial: Open) -> None:
    default = open_trial().networks.conditions()
    given = open_trial(no_flip="1").networks.conditions()

    assert (str(default.device), default.flip, default.batch_size) == ("cpu", True, 4)
    assert (given.flip, given.workers) == (False, len(os.sched_getaffinity(0)))
    assert default.devices == (default.device,)


def test_networks_are_built_once_and_on_the_named_device(
    open_trial: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    from convnextpose_check.evaluation.devices import working_devices

    def devices(name: str) -> Any:
        asked.append(name)
        return working_devices("cpu")

    monkeypatch.setattr("convnextpose_check.run.networks.working_devices", devices)
    networks = open_trial(device="cuda").networks

    assert networks.plain("T") is networks.counted("T") is networks.plain("T")
    assert networks.judged("T") is networks.judged("T") is not networks.judged("U")
    assert asked == ["cuda"]


def test_cache_key_changes_with_all_that_changes_the_answer(open_trial: Open, inputs: Path) -> None:
    def key(variant: str = "T", **given: str) -> str | None:
        return open_trial(**given).networks.entry(variant, "published").key

    keys = [key(), key("U"), key(no_flip="1"), key(protocol="1"), key(limit="4")]

    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert key() == key(results_dir=str(inputs / "elsewhere"))
    entry = open_trial().networks.entry("T", "published")
    assert entry.cache_file == inputs / "out" / "result" / "evaluations" / "published_T.npz"


def test_published_trial_compares_with_the_figures_of_the_file(catalogue: Catalogue) -> None:
    def opened(**given: str) -> Trial:
        settings = read_settings({name: [text] for name, text in given.items()}, {})
        return published_trial(settings, fixtures=ROOT / "fixtures")

    trial, other, checks = opened(), opened(protocol="1"), opened(weights_only="1")

    assert trial.name == "published"
    assert trial.reference("S") == catalogue["S"].paper.error_mm(2)
    assert other.reference("S") == catalogue["S"].paper.error_mm(1)
    assert set(trial.fingerprints) == {"XS", "S", "M", "L"}
    assert trial.files.are_users
    assert (trial.networks.default_device, checks.networks.default_device) == ("cuda", "cpu")
    assert published_trial(trial.settings).fingerprints == {}
    assert trial.files.facts.protocols[2].samples == 8695


def test_own_models_have_no_fingerprints(inputs: Path) -> None:
    settings = read_settings({"variants_file": [str(inputs / "own.json")]}, {})

    trial = published_trial(settings, fixtures=ROOT / "fixtures")

    assert trial.catalogue.names == ("T", "U")
    assert trial.fingerprints == {}


def test_synthetic_trial_compares_with_its_record() -> None:
    def reference(**given: str) -> float:
        settings = read_settings({name: [text] for name, text in given.items()}, {})
        trial = open_trials(settings, ROOT / "fixtures", Screen())["miniature"]
        assert trial.networks.default_device == "cpu"
        assert not trial.files.are_users
        figure = trial.reference("XS")
        assert figure is not None
        return figure.value

    given = [{}, {"protocol": "1"}, {"no_flip": "1"}, {"bbox": "rootnet"}]

    assert len({reference(**settings) for settings in given}) == len(given)
