"""Options, environment and defaults: one look-up, and errors that name what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.settings.options import OPTIONS
from convnextpose_check.settings.read import read_settings, refuse_beside_weights_only
from convnextpose_check.variants import PUBLISHED_FILE
from tests.support.options_table import BEGIN, END, options_table


def test_defaults_are_those_of_the_authors_evaluation() -> None:
    settings = read_settings({}, {})

    assert (settings.protocol, settings.bbox, settings.flip) == (2, "gt", True)
    assert settings.gate == 5
    assert settings.results_dir == Path("output")
    assert settings.lines() == []


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("h36m_root", "/data", Path("/data")),
        ("checkpoints", "/a", (Path("/a"),)),
        ("download", "1", True),
        ("variants", "XS, L", ("XS", "L")),
        ("variants_file", "own.json", Path("own.json")),
        ("weights_only", "1", True),
        ("require_identity", "1", True),
        ("protocol", "1", 1),
        ("bbox", "rootnet", "rootnet"),
        ("no_flip", "1", True),
        ("device", "cuda:1", "cuda:1"),
        ("batch_size", "16", 16),
        ("workers", "3", 3),
        ("gate", "2mm", 2),
        ("gate", "none", None),
        ("results_dir", "/out", Path("/out")),
        ("limit", "100", 100),
        ("resume", "1", True),
        ("network", "package.module:build", "package.module:build"),
        ("baseline", "old.json", Path("old.json")),
        ("baseline_tolerance", "0.5", 0.5),
        ("embed_images", "1", True),
    ],
)
def test_each_setting_is_read_from_option_and_environment(
    option: str, text: str, expected: object
) -> None:
    variable = f"CONVNEXTPOSE_{option.upper()}"

    assert getattr(read_settings({option: [text]}, {}), option) == expected
    from_environment = read_settings({}, {variable: text})
    assert getattr(from_environment, option) == expected
    assert from_environment.lines()[0].startswith(variable)


def test_every_option_is_covered_above() -> None:
    marks = test_each_setting_is_read_from_option_and_environment.pytestmark  # type: ignore[attr-defined]  # set by the decorator
    assert {case[0] for case in marks[0].args[1]} == {option.field for option in OPTIONS}


PAGES = ("README.md", "convnextpose_check/settings/README.md")


def test_readers_table_is_the_declarations(pytestconfig: pytest.Config) -> None:
    """When an option changes, put the expected table between the marks, in whichever page."""
    pages = [path for name in PAGES if (path := pytestconfig.rootpath / name).exists()]
    texts = [text for path in pages if BEGIN in (text := path.read_text(encoding="utf-8"))]

    assert len(texts) == 1
    assert options_table() == texts[0].partition(f"{BEGIN}\n")[2].partition(END)[0]


def test_readers_table_says_of_each_option_how_it_is_written_and_what_it_does() -> None:
    rows = options_table().splitlines()[2:]

    assert len(OPTIONS) == len(rows)
    for option, row in zip(OPTIONS, rows, strict=True):
        written, default, does = re.split(r" (?<!\\)\| ", row.strip("| "))
        assert f"{option.flag} {option.kind.metavar}".strip() == written.strip("`").replace(
            "\\", ""
        )
        assert (option.default, option.does) == (default.replace("`", ""), does.replace("`", ""))


def test_option_wins_over_environment() -> None:
    settings = read_settings({"gate": ["1mm"]}, {"CONVNEXTPOSE_GATE": "2mm"})

    assert settings.gate == 1
    assert settings.lines() == ["--gate 1"]


def test_relative_paths_refer_to_the_callers_folder() -> None:
    given = {"variants_file": ["own.json"], "baseline": ["/a/baseline.json"]}
    environment = {
        "CONVNEXTPOSE_CALLER": "/models",
        "CONVNEXTPOSE_CHECKPOINTS": "weights:/b",
        "CONVNEXTPOSE_NETWORK": "exports/{variant}.onnx",
    }

    settings = read_settings(given, environment)

    assert settings.caller == Path("/models")
    assert settings.checkpoints == (Path("/models/weights"), Path("/b"))
    assert settings.variants_file == Path("/models/own.json")
    assert settings.baseline == Path("/a/baseline.json")
    assert settings.results_dir == Path("/models/output")
    assert settings.network == "/models/exports/{variant}.onnx"


def test_defaults_stay_where_there_is_a_callers_folder() -> None:
    environment = {"CONVNEXTPOSE_CALLER": "/models", "CONVNEXTPOSE_NETWORK": "adapter:build"}

    settings = read_settings({}, environment)

    assert settings.network == "adapter:build"
    assert settings.variants_file == PUBLISHED_FILE
    assert settings.h36m_root == read_settings({}, {}).h36m_root
    assert settings.sources == {"network": "environment"}


def test_several_checkpoints_are_kept_in_order() -> None:
    assert read_settings({"checkpoints": ["/a", "/b"]}, {}).checkpoints == (Path("/a"), Path("/b"))
    both = read_settings({}, {"CONVNEXTPOSE_CHECKPOINTS": "/a:/b"}).checkpoints
    assert both == (Path("/a"), Path("/b"))


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("protocol", "3", "one of 1, 2"),
        ("bbox", "mine", "one of gt, rootnet"),
        ("gate", "3mm", "one of 1mm, 2mm, 5mm, none"),
        ("gate", "5", "one of 1mm"),
        ("batch_size", "0", "a whole number from 1"),
        ("workers", "-1", "a whole number from 1"),
        ("limit", "many", "a whole number from 1"),
        ("limit", "1.5", "a whole number from 1"),
        ("variants", ",", "names of variants"),
        ("no_flip", "perhaps", "1 or 0"),
        ("h36m_root", "", "a path"),
        ("h36m_root", "~nobody-here/data", "a path"),
        ("baseline_tolerance", "-1", "millimetres from 0"),
        ("baseline_tolerance", "nan", "millimetres from 0"),
        ("baseline_tolerance", "inf", "millimetres from 0"),
        ("device", " ", "a name"),
    ],
)
def test_wrong_value_is_named_with_what_was_expected(option: str, text: str, expected: str) -> None:
    flag, variable = f"--{option.replace('_', '-')}", f"CONVNEXTPOSE_{option.upper()}"

    with pytest.raises(ConvNeXtPoseCheckError, match=f"{flag} is .*{re.escape(expected)}"):
        read_settings({option: [text]}, {})
    with pytest.raises(ConvNeXtPoseCheckError, match=f"{variable} is .*{re.escape(expected)}"):
        read_settings({}, {variable: text})


@pytest.mark.parametrize("option", ["h36m_root", "gate", "limit", "resume", "baseline"])
def test_what_is_about_an_error_is_refused_beside_weights_only(option: str) -> None:
    text = {"gate": "none"}.get(option, "1")
    alone = {"weights_only": ["1"], "checkpoints": ["/a"], "device": ["cpu"]}
    refuse_beside_weights_only(read_settings(alone, {}))
    refuse_beside_weights_only(read_settings({option: [text]}, {}))

    with pytest.raises(ConvNeXtPoseCheckError, match=f"--{option.replace('_', '-')} is about an"):
        refuse_beside_weights_only(read_settings(alone | {option: [text]}, {}))
    variable = f"CONVNEXTPOSE_{option.upper()}"
    with pytest.raises(ConvNeXtPoseCheckError, match=f"{variable} is about an"):
        refuse_beside_weights_only(read_settings(alone, {variable: text}))


def test_misspelt_variable_is_an_error() -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"CONVNEXTPOSE_GATES.* no setting"):
        read_settings({}, {"CONVNEXTPOSE_GATES": "1mm"})


@pytest.mark.parametrize("exists", [True, False])
def test_kaggles_folder_is_the_default_for_data_and_checkpoints_where_it_exists(
    exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path if exists else tmp_path / "missing"
    monkeypatch.setattr("convnextpose_check.settings.options.KAGGLE_INPUT", folder)

    settings = read_settings({}, {})

    assert settings.h36m_root == (folder if exists else None)
    assert settings.checkpoints == ((folder,) if exists else ())
    assert not settings.sources
