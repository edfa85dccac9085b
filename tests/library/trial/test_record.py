"""Results contain how they were measured, and what an earlier run had measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from convnextpose_check.run.trial import Trial

from convnextpose_check.paths import Outputs, kept_file
from convnextpose_check.results.bootstrap import bootstrap_interval_mm
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import VariantResult
from convnextpose_check.results.words import verdict_sentence
from convnextpose_check.run.record import variant_result
from convnextpose_check.variants import read_catalogue
from tests.support.datasets import FACTS
from tests.support.deferred import Deferred
from tests.support.runs import run_of, written_results

if TYPE_CHECKING:
    from convnextpose_check.network import fast as fast_network
else:
    fast_network = Deferred("convnextpose_check.network.fast")


def trial_on(inputs: Path, **given: str) -> Trial:
    """A trial of the model T on six images."""
    return run_of(
        {"results_dir": str(inputs / "out"), "device": "cpu", "variants": "T"} | given,
        read_catalogue(inputs / "own.json"),
        FACTS,
        inputs / "h36m",
        inputs / "models",
    )


def recorded(trial: Trial) -> VariantResult:
    trial.evaluation("T")
    return written_results(trial).variants["T"]


def test_interval_is_of_performances_and_not_of_frames_or_cameras(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convnextpose_check.run.record.find_examples", lambda *_, **_more: ())
    trial = trial_on(inputs)
    names = [
        f"s_11_act_02_subact_0{take}_ca_0{camera}_{frame:06}.jpg"
        for take, camera, frame in (
            (1, 1, 1),
            (1, 1, 65),
            (1, 2, 1),
            (2, 1, 1),
            (2, 3, 1),
            (2, 3, 65),
        )
    ]
    evaluation = replace(trial.evaluation("T"), file_names=tuple(names))
    takes = ["1"] * 3 + ["2"] * 3
    expected = bootstrap_interval_mm(evaluation.errors_mm.mean(axis=1), takes)

    result = variant_result(trial, "T", evaluation, trial.judgement("T"), None)

    assert (result.interval_mm, result.sequences) == expected
    assert result.sequences == 2


def test_resumed_samples_are_counted(inputs: Path) -> None:
    first = recorded(trial_on(inputs))
    assert first.resumed_samples == 0

    again = trial_on(inputs, resume="1")
    resumed = recorded(again)

    assert resumed.resumed_samples == resumed.samples == 6
    assert resumed.mpjpe_mm == first.mpjpe_mm
    results = read_results(Outputs(inputs / "out").results)
    assert "earlier run's cache: T; image contents were not read again" in verdict_sentence(results)


def test_begun_evaluation_counts_what_it_had(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convnextpose_check.evaluation import metrics

    calls, measure = 0, metrics.joint_errors_mm

    def interrupted(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise KeyboardInterrupt
        return measure(*given)

    monkeypatch.setattr("convnextpose_check.run.run.CPU_BATCH_SIZE", 2)
    monkeypatch.setattr(metrics, "joint_errors_mm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorded(trial_on(inputs))
    monkeypatch.setattr(metrics, "joint_errors_mm", measure)

    resumed = recorded(trial_on(inputs, resume="1"))

    assert (resumed.resumed_samples, resumed.samples) == (4, 6)


def test_cache_of_other_soft_argmax_is_not_taken_over(inputs: Path) -> None:
    """A stand-in for the Triton kernel, which only a GPU can run."""
    first = recorded(trial_on(inputs))
    assert first.soft_argmax == "torch"
    trial = trial_on(inputs, resume="1")
    network: Any = trial.networks.judged("T")
    network.kernel = lambda heatmaps, _: fast_network.soft_argmax(heatmaps, network.upsampling)

    with_kernel = recorded(trial)

    assert with_kernel.soft_argmax == "triton"
    assert with_kernel.resumed_samples == 0
    assert with_kernel.mpjpe_mm == pytest.approx(first.mpjpe_mm, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_cache_without_time_is_not_taken_over(inputs: Path, seconds: float) -> None:
    recorded(trial_on(inputs))
    path = inputs / "out" / kept_file("miniature", "T")
    with np.load(path) as arrays:
        content: dict[str, Any] = dict(arrays)
    about = json.loads(str(content["about"])) | {"seconds": seconds}
    content["about"] = np.array(json.dumps(about))
    np.savez(path, **content)

    again = recorded(trial_on(inputs, resume="1"))

    assert again.resumed_samples == 0
    assert again.seconds > 0
