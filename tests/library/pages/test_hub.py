"""What the Hugging Face Hub reads: exactly what was measured, and nothing of the miniature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.pages import write_pages
from convnextpose_check.pages.hub import as_yaml, eval_results, hub_texts, model_index
from convnextpose_check.paths import Outputs
from convnextpose_check.results.schema import Results
from tests.support.deferred import Deferred
from tests.support.results import example_results, example_variant, example_weights

if TYPE_CHECKING:
    import huggingface_hub as hub
    import yaml
    from huggingface_hub import repocard_data
else:
    hub = Deferred("huggingface_hub")
    repocard_data = Deferred("huggingface_hub.repocard_data")
    yaml = Deferred("yaml")

ENVIRONMENT = {
    "started": "2026-01-02T03:04:05+00:00",
    "opencv": "4.14.0.94",
    "convnextpose_check": "0.2.0",
    "commit": "c" * 40,
}


def whole_run(**changes: Any) -> Results:
    return example_results(environment=ENVIRONMENT, **changes)


def read_back(results: Results) -> tuple[Any, Any]:
    """Both texts, as a YAML parser of others reads them."""
    texts = hub_texts(results)
    assert texts is not None
    return yaml.safe_load(texts[0]), yaml.safe_load(texts[1])["model-index"]


def test_yaml_says_what_was_put_in() -> None:
    """Names that strangers gave stay what they are."""
    variants = {
        "XS": example_variant(57.0, 56.61, file='a: "b" # \n- c\u2028\x7f\x85\ud800 表😀.tar')
    }
    results = whole_run(variants=variants)

    assert read_back(results) == (eval_results(results), model_index(results))
    assert yaml.safe_load(as_yaml([{"a": [{"b": 1.5, "c": ["no", None, True]}]}])) == [
        {"a": [{"b": 1.5, "c": ["no", None, True]}]}
    ]


def test_eval_results_are_of_the_hubs_form_and_name_what_was_measured() -> None:
    entries = hub.parse_eval_result_entries(read_back(whole_run())[0])

    assert [(e.dataset_id, e.task_id, e.value, e.date) for e in entries] == [
        ("Human3.6M", "protocol-2", 57.0, ENVIRONMENT["started"]),
        ("Human3.6M", "protocol-2", 51.0, ENVIRONMENT["started"]),
    ]
    for said in (
        "model: ConvNeXtPose XS;", "checkpoint: ConvNeXtPose_XS.tar; sha256: " + "a" * 64,
        "data: Human3.6M, subjects 9 and 11; protocol: 2; samples: 8695 of 8695",
        "boxes: ground truth; flip: on", "verdict: excellent",
        "run: Reproduced: XS, S are within 5 mm of the paper.",
        "suite: convnextpose-check 0.2.0; commit: " + "c" * 40,
    ):  # fmt: skip
        assert said in str(entries[0].notes)


def test_model_index_is_of_the_hubs_form_and_names_what_was_measured() -> None:
    _, index = read_back(whole_run(protocol=1, bbox="rootnet", flip=False))
    head = {"model-index": [index[0]]}
    card = hub.ModelCard(f"---\n{yaml.safe_dump(head)}---\n# XS\n")

    assert isinstance(card.data, hub.ModelCardData)
    assert card.data.eval_results is not None
    (found,) = card.data.eval_results
    assert card.data.model_name == "ConvNeXtPose XS"
    assert (found.metric_type, found.metric_name, found.metric_value) == (
        "pa_mpjpe", "PA-MPJPE (mm)", 57.0,
    )  # fmt: skip
    assert found.dataset_split == "test, protocol 1"
    assert found.dataset_args is not None
    assert (found.dataset_args["boxes"], found.dataset_args["flip"]) == ("RootNet", "off")
    assert found.metric_args is not None
    assert found.metric_args["sha256"] == "a" * 64
    assert card.data.model_name is not None
    assert repocard_data.eval_results_to_model_index(card.data.model_name, [found]) == [index[0]]


@pytest.mark.parametrize(
    "results",
    [
        pytest.param(example_results("miniature"), id="miniature"),
        pytest.param(example_weights(), id="weights-only"),
        pytest.param(whole_run(finished=False), id="unfinished"),
        pytest.param(
            whole_run(variants={"XS": example_variant(57.0, 56.61, complete=False)}), id="subset"
        ),
        pytest.param(
            whole_run(variants={"XS": example_variant(57.0, 56.61, samples=8)}), id="few-samples"
        ),
    ],
)
def test_nothing_is_told_of_what_was_not_measured_on_human36m(
    results: Results, tmp_path: Path
) -> None:
    outputs = Outputs(tmp_path)

    written = write_pages(results, outputs)

    assert hub_texts(results) is None
    assert [path.name for path in written if path.suffix == ".yaml"] == []
    assert list(tmp_path.rglob("*.yaml")) == []


def test_whole_run_leaves_both_files(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)

    assert write_pages(whole_run(), outputs)[-2:] == [outputs.eval_results, outputs.model_index]
    assert outputs.eval_results == tmp_path / "result" / "eval_results.yaml"
    assert len(yaml.safe_load(outputs.model_index.read_text())["model-index"]) == 2


@pytest.mark.parametrize(
    "variants_file", ["--variants-file own.json", "CONVNEXTPOSE_VARIANTS_FILE own.json"]
)
def test_models_of_ones_own_do_not_bear_the_papers_name(variants_file: str) -> None:
    own = example_variant(57.0, 57.0, reference_source="a first run", verdict="review")
    results = whole_run(variants={"T": own}, settings=("--network mine:build", variants_file))

    (model,) = model_index(results)
    assert model["name"] == "T"
    assert model["results"][0]["dataset"]["args"]["network"] == "mine:build"
    assert model["results"][0]["metrics"][0]["args"]["verdict"] == "review"
