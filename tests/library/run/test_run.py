"""A run's values are in its results and logs, each computed once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from convnextpose_check.human36m.samples import Exclusion, MisalignedTakes
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import format_run_verdict
from convnextpose_check.results.per_sample import read_errors_mm
from convnextpose_check.results.schema import DatasetRecord, ReferenceRecord, VariantResult
from convnextpose_check.run.report import build_results, build_variant_result
from convnextpose_check.run.run import Run, open_published_run
from convnextpose_check.settings.options import read_settings
from tests.library.run.conftest import REFERENCE_MM
from tests.support.runs import write_results

OpenRun = Callable[..., Run]


def write_record(run: Run) -> VariantResult:
    assert run.evaluations["T"]
    return write_results(run).variants["T"]


def test_write_report_results_have_all_values(inputs: Path, open_run: OpenRun) -> None:
    run = open_run(variants="T", gate="2mm")
    evaluation = run.evaluations["T"]

    results = write_results(run)

    record, checkpoint, own = results.variants["T"], run.checkpoints["T"], run.catalogue["T"]
    dataset = DatasetRecord(str(inputs / "h36m"), run.dataset.digest, {}, False, "ground truth")
    assert results == msgspec.structs.replace(
        results, target="published", own_models=True, gate_mm=2, device="cpu", dataset=dataset,
        samples=6, complete=True,
    )  # fmt: skip
    assert record == msgspec.structs.replace(
        record, file="own_T.pth", epoch=1, form=checkpoint.form, sha256=checkpoint.sha256,
        head_keys="modern", parameters=own.parameters, state_elements=own.state_elements,
        gmacs=own.multiply_adds / 1e9, identity="not verified",
        matched=("architecture", "counts", "epoch"), mpjpe_mm=evaluation.error_mm,
        reference=ReferenceRecord(REFERENCE_MM, "a first run", "own file", 2),
        difference_mm=evaluation.error_mm - REFERENCE_MM, verdict=run.judgment("T").verdict,
        per_action_mm=evaluation.per_action_mm(), per_joint_mm=evaluation.per_joint_mm(),
        samples=6, complete=True, resumed_samples=0, images_sha256=evaluation.images_sha256,
        batch_size=4,
    )  # fmt: skip
    assert record.training_record.startswith("epoch 1; ")
    assert record.error_mm == record.field_metrics["mpjpe"].mean == record.mpjpe_mm
    assert record.field_metrics.keys() == results.field_metrics.keys()
    assert {example.crop_jpeg for example in record.examples} == {None}
    errors_mm = read_errors_mm(Outputs(inputs / "out").per_sample)["T"]
    assert np.mean(errors_mm) == pytest.approx(evaluation.error_mm, abs=1e-4)


def test_variant_result_embeds_images_and_counts_unreadable_ones(open_run: OpenRun) -> None:
    run = open_run(variants="T", embed_images="1")
    evaluation = run.evaluations["T"]
    left_out = tuple(
        Exclusion(number, f"{number}.jpg", reason)
        for number, reason in enumerate(("torn", "empty", "torn"))
    )
    changed = replace(evaluation, unreadable=left_out, complete=False)

    record = build_variant_result(run, "T", changed)

    assert record.unreadable == {"torn": 2, "empty": 1}
    assert not record.complete
    assert record.examples[0].crop_jpeg


def test_results_count_misaligned_takes(open_run: OpenRun, monkeypatch: pytest.MonkeyPatch) -> None:
    known = MisalignedTakes("a paper", {"S11 WalkTogether 2": "s_11_act_16_subact_02_"})
    run = open_run(variants="T")
    facts = msgspec.structs.replace(run.facts, misaligned=known)
    monkeypatch.setitem(vars(run), "facts", facts)
    evaluation = run.evaluations["T"]

    results = build_results(run, {})

    found = known.count_images(evaluation.file_names)
    assert found
    assert results.dataset.misaligned_takes == found
    assert results.dataset.misaligned_source == "a paper"
    without = known.error_without_mm(evaluation.errors_mm, evaluation.file_names)
    assert results.variants["T"].without_misaligned_mm == without is not None


def test_results_before_any_evaluation_have_no_variants(inputs: Path, open_run: OpenRun) -> None:
    results = build_results(open_run(gate="none", limit="4", variants="U"), {})

    assert (results.variants, results.expected_variants) == ({}, ("U",))
    assert (results.samples, results.expected_samples, results.complete) == (0, 6, False)
    assert results.gate_mm is None
    assert results.dataset.limited
    assert not (inputs / "out").exists()


@pytest.mark.parametrize("given", [{}, {"weights_only": "1"}])
def test_results_lack_damaged(open_run: OpenRun, inputs: Path, given: dict[str, str]) -> None:
    (inputs / "models" / "own_U.pth").write_bytes(b"torn")
    run = open_run(**given)
    if not given:
        assert run.evaluations["T"]

    results = write_results(run)

    assert list(results.weights if given else results.variants) == ["T"]
    assert (results.weights_only, results.complete) == (bool(given), False)
    assert results.expected_variants == ("T", "U")
    if not given:
        assert Outputs(inputs / "out").log("U").read_text().startswith("[")


def test_log_has_error_reason_for_missing_verdict_and_excluded_images(
    inputs: Path, open_run: OpenRun
) -> None:
    run = open_run(variants="T")
    evaluation = run.evaluations["T"]
    excluded = Exclusion(1, "a\n::error::b\x1b[2J", "torn")
    run.evaluations.outcomes["T"] = replace(evaluation, unreadable=(excluded,), complete=False)

    write_results(run)

    text = Outputs(inputs / "out").log("T").read_text()
    for line in (
        "excluded a\\n\\x3a:error\\x3a:b\\x1b[2J: torn",
        f"MPJPE {evaluation.error_mm:.4f} mm over 6 samples: not judged: the 6 samples are not"
        " those of the protocol\n",
    ):
        assert line in text


def test_run_builds_and_evaluates_models_once(open_run: OpenRun, read_counts: Counter[str]) -> None:
    run = open_run()

    assert run.evaluations["U"] is run.evaluations["U"] is not run.evaluations["T"]
    assert list(read_counts.values()) == [1] * 6
    model = run.models["T"]
    assert model.reference is model.counted is run.models["T"].reference
    assert model.evaluated is run.models["T"].evaluated is not run.models["U"].evaluated
    assert run.dataset is run.dataset
    assert tuple(open_run(variants="U,T").variants) == ("U", "T")
    assert len(open_run(limit="4").dataset.samples) == 4


def test_devices_of_a_run_compute_exact_float32(open_run: OpenRun) -> None:
    """Also for the reference model, which is used without the predictor's settings."""
    torch.backends.cuda.matmul.allow_tf32 = True  # as other code may do

    assert open_run().devices == (torch.device("cpu"),)

    assert not torch.backends.cuda.matmul.allow_tf32


def test_network_with_published_layout_has_the_checkpoints_weights(
    open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ConvNeXtPose(open_run().variants["T"].architecture)
    monkeypatch.setattr("convnextpose_check.run.models.build_module", lambda *_: module)

    models = open_run(network="somewhere:build").models["T"]

    assert models.counted is module
    torch.testing.assert_close(module.state_dict(), models.checkpoint.state, rtol=0, atol=0)


def test_resumed_samples_are_counted(open_run: OpenRun) -> None:
    first = write_record(open_run(variants="T"))

    run = open_run(variants="T", resume="1")
    resumed = write_record(run)

    assert (first.resumed_samples, resumed.resumed_samples, resumed.samples) == (0, 6, 6)
    assert resumed.mpjpe_mm == first.mpjpe_mm
    assert "earlier run's cache: T" in format_run_verdict(build_results(run, {}))


def test_published_run_only_published_models_have_fingerprints(inputs: Path) -> None:
    published = open_published_run(read_settings({}, {}))
    own = open_published_run(read_settings({"variants_file": [str(inputs / "own.json")]}, {}))

    assert set(published.fingerprints) == {"XS", "S", "M", "L"}
    assert (own.catalogue.names, own.fingerprints) == (("T", "U"), {})
