"""An installed wheel judges models from any folder, with the tests that it contains."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convnextpose_check.plugin.required import VALIDATION_TESTS
from convnextpose_check.variants import Architecture
from tests.support.full_size import write_own_model
from tests.support.hostile_caller import write_hostile_files
from tests.support.texts import ROOT
from tests.support.whole_runs import CompletedRun

BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
PROGRAM = """#!{python}
from convnextpose_check.__main__ import main
raise SystemExit(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the files that the build reads."""
    pytest.importorskip("setuptools", "77")
    folder = tmp_path_factory.mktemp("wheel")
    copy, ignored = folder / "copy", shutil.ignore_patterns("__pycache__")
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.name in ("convnextpose_check", "fixtures", "tests"):
            shutil.copytree(path, copy / path.name, ignore=ignored)
        elif path.suffix in (".ini", ".md", ".py", ".toml") or path.name == "LICENSE":
            shutil.copy(path, copy)
    (copy / "junk.json").write_text("{}")
    subprocess.run([sys.executable, "-c", BUILD, folder], cwd=copy, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def program(wheel: Path, tmp_path: Path) -> Path:
    """The program in an environment with the wheel and this environment's other packages."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    folders = [folder for folder in sys.path if folder.endswith("-packages")]
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in folders]
    (site / "current.pth").write_text("".join(lines))
    program = environment / "bin" / "convnextpose-check"
    program.write_text(PROGRAM.format(python=environment / "bin" / "python"))
    program.chmod(0o755)
    return program


def test_wheel_has_every_module_and_only_the_suites_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    validation = {file.name for file in (ROOT / "tests" / "validation").glob("*.py")}

    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "convnextpose_check").rglob("*.py")}
    assert modules <= names
    suite = {name.partition("_suite/")[2] for name in names if "_suite/" in name}
    top_level = {name for name in suite if "/" not in name}
    assert top_level == {"conftest.py", "pytest.ini"}
    tests = {name.removeprefix("tests/") for name in suite if name.startswith("tests/")}
    assert tests == {"__init__.py", "conftest.py", *(f"validation/{name}" for name in validation)}
    assert {test.file for test in VALIDATION_TESTS} < validation
    assert "fixtures/published_tensors.json" in suite
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {
        "convnextpose_check"
    }


def test_installed_program_judges_weights_and_executes_no_file_of_the_folder(
    program: Path, tiny: Architecture, tmp_path: Path
) -> None:
    models, marks = tmp_path / "models", tmp_path / "marks"
    (models / "weights").mkdir(parents=True)
    (models / "own.json").write_text(json.dumps(write_own_model(tiny, models / "weights")))
    variables = write_hostile_files(models, marks)
    del variables["PYTHONPATH"]  # without -I, Python itself would execute its files
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CONVNEXTPOSE_", "PYTHON"))
    }

    ended = subprocess.run(
        [program, *"gate --weights-only --checkpoints weights --variants-file own.json".split()],
        cwd=models, env=inherited | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip

    run = CompletedRun(ended.returncode, ended.stdout + ended.stderr, models / "output")
    assert run.code == 0, run.output
    assert list(marks.iterdir()) == []
    assert (run.results.passed, len(run.results.checks)) == (True, 19)
    assert run.results.verdict.startswith("Weights only: T: architecture, counts, epoch match. ")
    assert f"rootdir: {program.parents[1]}/lib" in run.output
    assert run.files.report.exists()
