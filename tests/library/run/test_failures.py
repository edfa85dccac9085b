"""A network's error becomes a short message and does not affect other networks."""

import gc
import shutil
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.checks.network import check_networks_agree
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.predict import (
    NetworkFailedError,
    is_out_of_memory,
    wrap_network_errors,
)
from convnextpose_check.human36m.crops import load_inputs
from convnextpose_check.paths import Outputs
from convnextpose_check.run.run import Run
from tests.support.passes import FailingNetwork
from tests.support.runs import write_results
from tests.support.whole_runs import RunTests

OpenRun = Callable[..., Run]
Patch = pytest.MonkeyPatch

MEMORY_MESSAGES = [
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer",
    "bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t)",
    "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4294967296 bytes",
    "std::bad_alloc",
]
OTHER_MESSAGES = [
    "CUDA error: device-side assert triggered",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`",
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node",
    "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
]


@pytest.mark.parametrize("text", [*MEMORY_MESSAGES, *OTHER_MESSAGES])
def test_is_out_of_memory_knows_the_messages_of_libraries(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text)) == (text in MEMORY_MESSAGES)


def test_wrap_network_errors_names_error_and_keeps_traceback() -> None:
    error = torch.AcceleratorError(f"{OTHER_MESSAGES[0]}\nCompile with TORCH_USE_CUDA_DSA")

    with pytest.raises(NetworkFailedError) as caught, wrap_network_errors("the network"):
        raise error

    assert caught.value.code == "network-failed"
    assert caught.value.problem == f"the network raises AcceleratorError: {OTHER_MESSAGES[0]}"
    assert "Compile" not in str(caught.value)
    assert "raise error" in caught.value.trace


def test_network_failed_error_keeps_no_reference_to_batch() -> None:
    class Large:
        pass

    large = Large()
    reference = weakref.ref(large)

    def fail(large: Large) -> None:
        raise RuntimeError(str(large))

    with pytest.raises(NetworkFailedError) as caught, wrap_network_errors("the network"):
        fail(large)
    failure = caught.value.with_traceback(None)
    del large, caught
    gc.collect()

    assert failure.trace
    assert reference() is None


def test_evaluations_failed_network_runs_once(open_run: OpenRun, read_counts: Counter[str]) -> None:
    run = open_run()
    models = vars(run.models["T"])
    error = RuntimeError("cuDNN error: EXECUTION")
    models["evaluated"] = FailingNetwork(run.models["T"].evaluated, 1, error)

    for _ in range(3):
        with pytest.raises(NetworkFailedError, match="raises RuntimeError: cuDNN error"):
            run.evaluations["T"]

    assert run.judgment("U").obtained_mm > 0
    assert set(read_counts.values()) == {1}
    results = write_results(run)
    assert (list(results.variants), results.complete) == (["U"], False)
    log = Outputs(run.settings.results_dir).log("T").read_text()
    assert "[network-failed]" in log
    assert "raise self.error" in log
    assert "MPJPE" not in log


def test_evaluations_bug_is_raised_again_with_traceback(
    open_run: OpenRun, read_counts: Counter[str], monkeypatch: Patch
) -> None:
    def bug(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    run = open_run()
    monkeypatch.setattr("convnextpose_check.evaluation.metrics.joint_errors_mm", bug)
    for variant in ("T", "U", "T"):
        with pytest.raises(ZeroDivisionError) as caught:
            run.evaluations[variant]
        assert caught.traceback[-1].name == "bug"

    assert set(read_counts.values()) == {1}


def write_other_variant(models: Path) -> None:
    shutil.copyfile(models / "own_U.pth", models / "own_T.pth")


def write_float_counters(models: Path) -> None:
    """Make counters floating-point, which torch would convert silently."""
    path = models / "own_T.pth"
    content = torch.load(path, weights_only=True)
    content["network"] = {
        key: tensor if tensor.is_floating_point() else tensor.float()
        for key, tensor in content["network"].items()
    }
    torch.save(content, path)


@pytest.mark.parametrize(
    ("change", "code"),
    [(write_other_variant, "wrong-variant"), (write_float_counters, "wrong-layout")],
)
def test_models_weights_of_other_variant_raise(
    open_run: OpenRun, inputs: Path, change: Callable[[Path], None], code: str
) -> None:
    change(inputs / "models")

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        open_run(variants="T").models["T"]
    assert caught.value.code == code


FAILING_CODE = """
{on_import}
import torch

class Failing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, crops):
        if len(crops) >= {largest_batch}:
            raise KeyError("in forward")
        return crops[:, 0, :18, :3]

def build(variant):
    {in_factory}
    return Failing()
"""
FAILURES: list[tuple[dict[str, Any], str]] = [
    ({"on_import": "raise OSError('on import')"}, "OSError: on import"),
    ({"on_import": "import sys; sys.exit(2)"}, "SystemExit: 2"),
    ({"on_import": "import missing_dependency"}, "No module named 'missing_dependency'"),
    ({"on_import": "def f(:"}, "SyntaxError: invalid syntax"),
    ({"in_factory": "raise ValueError('in factory')"}, "ValueError: in factory"),
    ({"largest_batch": 1}, "KeyError: 'in forward'"),
    ({"largest_batch": 2}, "KeyError: 'in forward'"),
]


@pytest.mark.parametrize(("code", "message"), FAILURES, ids=[text for _, text in FAILURES])
def test_users_network_whatever_it_raises_is_one_message(
    code: dict[str, Any], message: str, open_run: OpenRun, tmp_path: Path, monkeypatch: Patch
) -> None:
    """The network raises on import, in the factory, for one crop or only for several."""
    name = f"failing_{abs(hash(message))}"
    filled = {"on_import": "", "in_factory": "pass", "largest_batch": 99} | code
    (tmp_path / f"{name}.py").write_text(FAILING_CODE.format(**filled))
    monkeypatch.syspath_prepend(tmp_path)
    run = open_run(variants="T", network=f"{name}:build")
    model, samples = run.models["T"], run.dataset.samples[:2]
    uses: list[Callable[[], Any]] = [
        lambda: model.size,
        lambda: check_networks_agree(
            model.evaluated, model.reference, *load_inputs(samples, run.devices[0]), "T"
        ),
        lambda: run.evaluations["T"],
    ]
    for use in uses[code.get("largest_batch", 0) == 2 :]:
        with pytest.raises(NetworkFailedError) as caught:
            use()
        assert message in caught.value.problem
        assert "Traceback" in caught.value.trace
    results = write_results(run)
    assert results.variants == {}
    assert "Traceback" in Outputs(run.settings.results_dir).log("T").read_text()


def test_weights_only_run_of_failing_network_logs_traceback(
    run_tests: RunTests, inputs: Path, tmp_path: Path, monkeypatch: Patch
) -> None:
    code = FAILING_CODE.format(on_import="", in_factory="pass", largest_batch=1)
    (tmp_path / "failing_weights_only.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)

    ended = run_tests(
        "--weights-only", "--variants=T", f"--variants-file={inputs / 'own.json'}",
        f"--checkpoints={inputs / 'models'}", "--network=failing_weights_only:build",
        targets=["tests/validation/test_counts.py"],
    )  # fmt: skip

    assert ended.code == 1
    assert "raises KeyError: 'in forward'" in ended.text
    assert "Traceback" not in ended.output
    log = ended.files.log("T").read_text()
    assert log.count("Traceback") == 1
    assert 'raise KeyError("in forward")' in log


def test_run_on_several_devices_agrees(open_run: OpenRun, inputs: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("convnextpose_check.run.run.Run.batch_size", 2)
    alone = open_run().evaluations["T"]
    used = (torch.device("cpu"),) * 3
    monkeypatch.setattr("convnextpose_check.run.run.get_working_devices", lambda _: used)

    several = open_run(results_dir=str(inputs / "several"))

    assert len({id(replica) for replica in several.models["T"].replicas}) == 2
    assert several.evaluations["T"].cells_xyz.tobytes() == alone.cells_xyz.tobytes()
    assert open_run(network="somewhere:build").devices == used[:1]
