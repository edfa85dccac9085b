"""Settings are read from options and environment variables; invalid ones are named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.settings.options import OPTIONS, read_settings, refuse_contradictions
from convnextpose_check.variants import PUBLISHED_FILE
from tests.support.texts import read_marked_section

VALUES: dict[str, tuple[str, object]] = {
    "h36m_root": ("/data", Path("/data")),
    "checkpoints": ("/a", (Path("/a"),)),
    "download": ("1", True),
    "variants": ("XS, L", ("XS", "L")),
    "variants_file": ("own.json", Path("own.json")),
    "weights_only": ("yes", True),
    "require_identity": ("TRUE", True),
    "protocol": ("1", 1),
    "bbox": ("rootnet", "rootnet"),
    "no_flip": ("1", True),
    "device": ("cuda:1", "cuda:1"),
    "gate": ("2mm", 2),
    "results_dir": ("/out", Path("/out")),
    "limit": ("100", 100),
    "resume": ("true", True),
    "network": ("package.module:build", "package.module:build"),
    "baseline": ("old.json", Path("old.json")),
    "embed_images": ("1", True),
}


def flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def variable(field: str) -> str:
    return f"CONVNEXTPOSE_{field.upper()}"


def test_read_settings_defaults_are_those_of_the_authors_evaluation() -> None:
    settings = read_settings({}, {})

    assert (settings.protocol, settings.bbox, settings.flip) == (2, "gt", True)
    assert (settings.gate, settings.results_dir) == (5, Path("output"))
    assert (settings.variants_file, settings.has_own_models) == (PUBLISHED_FILE, False)
    switches = [option.field for option in OPTIONS if option.is_flag]
    assert len(switches) == 6
    assert not any(getattr(settings, field) for field in switches)
    assert settings.given == {}
    off = read_settings({"gate": ["none"]}, {variable("resume"): "0"})
    assert (off.gate, off.resume) == (None, False)


@pytest.mark.parametrize("field", [option.field for option in OPTIONS])
def test_read_settings_option_wins_over_environment(field: str) -> None:
    text, expected = VALUES[field]

    from_option = read_settings({field: [text]}, {variable(field): "ignored"})
    assert getattr(from_option, field) == expected
    assert from_option.given == {field: f"{flag(field)} {text}"}
    from_environment = read_settings({}, {variable(field): text})
    assert getattr(from_environment, field) == expected
    assert from_environment.given == {field: f"{variable(field)} {text}"}


def test_read_settings_several_checkpoints_stay_in_order() -> None:
    expected = (Path("/a"), Path("/b"))
    assert read_settings({"checkpoints": ["/a", "/b"]}, {}).checkpoints == expected
    settings = read_settings({}, {variable("checkpoints"): "/a:/b"})
    assert settings.checkpoints == expected
    assert settings.given == {"checkpoints": "CONVNEXTPOSE_CHECKPOINTS /a,/b"}


def test_read_settings_relative_paths_refer_to_the_callers_folder() -> None:
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
    defaults = read_settings({}, environment | {"CONVNEXTPOSE_NETWORK": "adapter:build"})
    assert defaults.network == "adapter:build"
    assert (defaults.variants_file, defaults.h36m_root) == (PUBLISHED_FILE, None)


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("protocol", "3", "one of 1, 2"),
        ("bbox", "mine", "one of gt, rootnet"),
        ("gate", "5", "one of 1mm, 2mm, 5mm, none"),
        ("limit", "0", "a whole number from 1"),
        ("limit", "1.5", "a whole number from 1"),
        ("variants", ",", "names of variants"),
        ("no_flip", "perhaps", "one of 1, true, yes, 0, false, no"),
    ],
)
def test_read_settings_wrong_value_is_named(field: str, text: str, expected: str) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=f"{flag(field)} is .*: expected {expected}"):
        read_settings({field: [text]}, {})


def test_read_settings_unknown_variable_is_refused() -> None:
    hints = {"GATES": r" \(did you mean CONVNEXTPOSE_GATE\?\)", "XYZ": "", "RUN_IDS": "", "": ""}

    for name, hint in hints.items():
        message = f"unknown environment variable CONVNEXTPOSE_{name}{hint}\\. Correct or unset it"
        with pytest.raises(ConvNeXtPoseCheckError, match=message):
            read_settings({}, {f"CONVNEXTPOSE_{name}": "1mm"})


@pytest.mark.parametrize("field", [option.field for option in OPTIONS])
def test_read_settings_empty_value_is_refused(field: str) -> None:
    for options, environment in (({field: [" "]}, {}), ({}, {variable(field): ""})):
        name = flag(field) if options else variable(field)
        with pytest.raises(ConvNeXtPoseCheckError, match=f"{name} is empty. Give it a value"):
            read_settings(options, environment)


def test_refuse_contradictions_names_the_option_without_effect() -> None:
    alone = {"weights_only": ["1"], "checkpoints": ["/a"], "device": ["cpu"]}
    identity, own = {"require_identity": ["1"]}, {"variants_file": ["own.json"]}
    about_errors = [
        {field: [VALUES[field][0]]}
        for field in ("h36m_root", "gate", "limit", "resume", "baseline")
    ]
    for sound in (alone, identity, own, *about_errors):
        refuse_contradictions(read_settings(sound, {}))

    for given in about_errors:
        with pytest.raises(ConvNeXtPoseCheckError, match=f"{flag(*given)} .* --weights-only"):
            refuse_contradictions(read_settings(alone | given, {}))
    with pytest.raises(ConvNeXtPoseCheckError, match="--require-identity cannot be combined"):
        refuse_contradictions(read_settings(identity | own, {}))


def test_read_settings_finds_kaggle_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        monkeypatch.setattr("convnextpose_check.settings.options.KAGGLE_INPUT", folder)

        settings = read_settings({}, {})

        assert settings.h36m_root == (folder if folder.exists() else None)
        assert settings.checkpoints == ((folder,) if folder.exists() else ())
        assert not settings.given


NAMES = re.compile(r"(?<![\w/])(--[a-z0-9-]+|[\w{}./]+\.(?:json|onnx|pt2)|package\.[\w.:]+)")
"""Options, files and functions, which the table shows as code."""


def test_options_table_in_readme_is_up_to_date() -> None:
    """If an option changes, copy the expected table between the comments."""
    table = "| option | what it does |\n|---|---|\n"
    for option in OPTIONS:
        name = f"{option.flag} {option.kind[0]}".strip().replace("|", r"\|")
        text = NAMES.sub(r"`\1`", option.description)
        table += f"| `{name}` | {text} |\n"

    assert read_marked_section("options") == table
    assert len(OPTIONS) == len(VALUES) <= 18
