"""The results file appears whole, and costs no earlier results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.results import (
    RESULTS_FILE,
    environment,
    opencv_version,
    package_version,
    set_aside_earlier,
    write_results,
)
from tests.library.results import example_results


def test_results_are_written_at_full_precision(tmp_path: Path) -> None:
    results = example_results(exact=0.1 + 0.2)

    path = write_results(results, tmp_path)

    assert path == tmp_path / "result" / "benchmark_results.json"
    assert json.loads(path.read_text()) == results
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_nan_never_reaches_the_file(tmp_path: Path) -> None:
    write_results(example_results(), tmp_path)

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(example_results(broken=float("nan")), tmp_path)

    assert json.loads((tmp_path / RESULTS_FILE).read_text()) == example_results()


@pytest.mark.parametrize("subject", ["published", "miniature"])
def test_earlier_results_are_kept_under_their_subject(tmp_path: Path, subject: str) -> None:
    write_results(example_results(subject), tmp_path)

    set_aside_earlier(tmp_path)

    kept = tmp_path / "result" / f"benchmark_results.{subject}.json"
    assert json.loads(kept.read_text())["subject"] == subject
    assert not (tmp_path / RESULTS_FILE).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"subject": "../../etc"}', '{"subject": 1}'])
def test_unreadable_earlier_results_are_kept_too(tmp_path: Path, content: str) -> None:
    path = tmp_path / RESULTS_FILE
    path.parent.mkdir()
    path.write_text(content)

    set_aside_earlier(tmp_path)

    assert (path.parent / "benchmark_results.earlier.json").read_text() == content


def test_nothing_earlier_is_nothing_to_set_aside(tmp_path: Path) -> None:
    set_aside_earlier(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(ConvNeXtPoseCheckError, match=r"cannot write .*--results-dir"):
        write_results(example_results(), blocked)


def test_environment_names_the_versions_that_matter() -> None:
    import cv2
    import torch

    found = environment()

    assert torch.__version__.startswith(found["torch"].split("+")[0])
    assert opencv_version().startswith(cv2.__version__)
    assert package_version("no-such-package") == "not installed"
