"""The Kaggle notebook, executed without a network."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution, version
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

pytest.importorskip("tomllib", reason="Kaggle has a newer Python")

from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.variants import Architecture
from fixtures import kaggle_install
from fixtures.notebook import INSTALL, NOTEBOOK_FILE, RUN, SETTINGS, SHOW, notebook
from tests.support.datasets import list_files
from tests.support.full_size import write_own_model
from tests.support.texts import ROOT

KAGGLE_PACKAGES = (
    "numpy==2.0.2", "matplotlib==3.10.*", "gdown==5.2.2", "pytest==8.4.2", "pluggy==1.6.0",
    "opencv-python==4.13.*", "opencv-contrib-python==4.13.*", "opencv-python-headless==4.13.*",
    "ipython", "packaging", "requests", "safetensors", "tqdm",
)  # fmt: skip
"""Packages of Kaggle's image of August 2026, as far as the suite uses them.

Its Python 3.12 and torch 2.10 are replaced by those of this environment: torch has several GB.
"""

Capture = pytest.CaptureFixture[str]
Completed = subprocess.CompletedProcess[str]


def test_recorded_notebook_is_the_generated_one() -> None:
    assert NOTEBOOK_FILE.read_text() == notebook(), "outdated: python -m fixtures.notebook"


@pytest.mark.slow
@pytest.mark.parametrize("packages", [(), KAGGLE_PACKAGES], ids=["current", "kaggle"])
def test_failing_run_is_shown(
    synthetic: SyntheticData, tiny: Architecture, tmp_path: Path, packages: tuple[str, ...]
) -> None:
    """The synthetic data set is attached, of which 8 samples are evaluated."""
    pytest.importorskip("IPython")
    python = build_environment(tmp_path / "environment", packages) if packages else sys.executable
    attached, large = tmp_path / "kaggle" / "input", (".git", "node_modules", "output", ".venv")
    ignored = shutil.ignore_patterns(*large)
    shutil.copytree(ROOT, attached / "suite" / "convnextpose-check", ignore=ignored)
    (attached / "human36m").symlink_to(synthetic.dataset)
    (attached / "weights").mkdir()
    figures = tmp_path / "own.json"
    figures.write_text(json.dumps(write_own_model(tiny, attached / "weights")))
    (tmp_path / "kaggle" / "working").mkdir()
    settings = {"DEVICE": "cpu", "VARIANTS_FILE": str(figures), "LIMIT": "8"}
    before = list_files(attached)

    result = run_cell(
        SETTINGS.replace("XS,S,M,L", "T") + INSTALL + RUN + SHOW, tmp_path / "kaggle", python,
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **{f"CONVNEXTPOSE_{name}": value for name, value in settings.items()},
    )  # fmt: skip

    assert "The run failed with exit code 1" in result.stderr
    assert "Not judged: 8 samples were evaluated, expected 8,695" in result.stdout
    shown = re.findall(r"<IPython\.core\.display\.(\w+) object>", result.stdout)
    assert shown == ["Markdown", "Image", "HTML"]
    results = read_results(Outputs(tmp_path / "kaggle" / "working" / "output").results)
    assert results.variants["T"].samples == 8
    assert results.dataset.root.startswith(str(attached))
    assert list_files(attached) == before
    if packages:
        found = results.environment
        assert (found["numpy"], found["opencv"]) == ("2.0.2", "4.13.0")


def build_environment(folder: Path, packages: Iterable[str]) -> Path:
    """Create an environment with these packages and a link to torch; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-compile", *packages], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    link_distribution("torch", site)
    return python


def link_distribution(name: str, site: Path) -> None:
    """Link a distribution's files, and its dependencies' files, unless they are installed."""
    needed = distribution(name)
    names = {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}
    if any((site / name).exists() for name in names):
        return
    for top_level in names:
        (site / top_level).symlink_to(str(needed.locate_file(top_level)))
    for requirement in map(Requirement, needed.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            link_distribution(requirement.name, site)


def test_passing_run_passes_the_notebook(tmp_path: Path, capsys: Capture) -> None:
    pytest.importorskip("IPython")
    (tmp_path / "report.html").write_text("report")

    exec(SHOW, {"output": tmp_path, "started": 0, "code": 0})

    assert "IPython.core.display.HTML object" in capsys.readouterr().out


MPJPE_TEST = "test_mpjpe.py::test_mpjpe_is_within_tolerance_of_reported_value[published-XS-5mm]"


@pytest.mark.parametrize(
    ("check", "is_diagnosed"),
    [
        ({"test": MPJPE_TEST, "outcome": "failed", "obtained": 70.0}, True),
        ({"test": MPJPE_TEST, "outcome": "failed", "obtained": None}, False),
        ({"test": MPJPE_TEST, "outcome": "passed", "obtained": 56.6}, False),
        ({"test": "test_preflight.py::test_x", "outcome": "failed", "obtained": 1.0}, False),
    ],
)
def test_cause_of_measured_wrong_error_is_searched(
    tmp_path: Path, check: dict[str, object], *, is_diagnosed: bool
) -> None:
    pytest.importorskip("IPython")
    results = Outputs(tmp_path).results
    results.parent.mkdir()
    results.write_text(json.dumps({"checks": [check]}))
    calls: list[tuple[str, ...]] = []
    names = {"output": tmp_path, "started": 0, "code": 1, "inputs": ["--h36m-root=x"]}

    with pytest.raises(SystemExit, match="exit code 1"):
        exec(SHOW, names | {"last_lines": [], "run_module": lambda *given: calls.append(given)})

    diagnose = ("convnextpose_check", "diagnose", str(tmp_path), "--h36m-root=x")
    assert calls == [diagnose] * is_diagnosed


def test_run_without_report_shows_end(tmp_path: Path, capsys: Capture) -> None:
    """Without the suite, pytest refuses its options; the pages are of an earlier run."""
    pytest.importorskip("IPython")
    for page in (tmp_path / "output/report.html", Outputs(tmp_path / "output").markdown):
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("another run")
        os.utime(page, (0, 0))
    names: dict[str, object] = {"subprocess": subprocess, "sys": sys}
    names |= dict.fromkeys(("suite", "INPUT", "WORKING"), tmp_path)

    with pytest.raises(SystemExit, match="exit code 4"):
        exec(SETTINGS + RUN + SHOW, names)

    printed = capsys.readouterr().out
    assert printed.count("--h36m-root is an option of convnextpose-check") == 2
    assert "another run" not in printed
    assert "iframe" not in printed


def run_cell(
    cell: str, kaggle: Path, python: str | Path = sys.executable, **settings: str
) -> Completed:
    """Run a cell with ``/kaggle`` replaced by ``kaggle``, whose parent is the ``PATH``."""
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | settings
    return subprocess.run(
        [python, "-c", cell.replace("/kaggle/", f"{kaggle}/")],
        env=settings | {"PATH": str(kaggle.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_install_replaces_nothing_that_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any package of OpenCV will do, and constraints keep pip from replacing the others."""
    installed = {"torch": "2.10.0+cu128", "tqdm": "3.0", "opencv_contrib_python": "4.12"}
    needs = ["torch>=2.10", "msgspec>=0.19", "tqdm>=4", "opencv-python-headless>=4,<5"]
    (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = {needs}\n")
    found = [SimpleNamespace(name=name, version=version) for name, version in installed.items()]
    commands: list[list[str]] = []
    pinned: list[str] = []

    def run(command: list[str], *, check: bool) -> SimpleNamespace:
        commands.append(command)
        constraints = Path(command[command.index("-c") + 1])
        pinned.extend(constraints.read_text(encoding="utf-8").splitlines())
        return SimpleNamespace(returncode=int(check))

    monkeypatch.setattr(kaggle_install, "PYPROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr(kaggle_install, "distributions", lambda: found)
    monkeypatch.setattr("subprocess.run", run)

    assert kaggle_install.main([]) == ""
    ((*_, first, second),) = commands
    assert [first, second] == ["msgspec>=0.19", "tqdm>=4"]
    assert pinned == ["torch==2.10.0+cu128", "opencv-contrib-python==4.12"]


@pytest.mark.parametrize(
    ("owner", "needs", "message"),
    [
        ("YOUR-FORK", "", "OWNER is not set. Set it to the owner of the suite's repository."),
        ("owner", "", "Cannot clone https://github.com/owner/convnextpose-check. Check OWNER, and"),
        ("owner", "no-such-package", "Cannot install no-such-package. Attach wheels of these"),
        (
            "owner",
            "torch>=99",
            f"This environment has torch {version('torch')}, expected torch>=99.",
        ),
    ],
)
def test_install_cell_ends_with_one_message(
    tmp_path: Path, owner: str, needs: str, message: str
) -> None:
    """An attached wheel keeps pip from searching the internet."""
    (tmp_path / "git").write_text("#!/bin/sh\nexit 128\n")
    (tmp_path / "git").chmod(0o755)
    attached = tmp_path / "kaggle" / "input"
    suite = attached / "copy" / "convnextpose-check"
    for folder in (suite / "convnextpose_check", suite / "fixtures", attached / "wheels"):
        folder.mkdir(parents=True)
    (attached.with_name("working")).mkdir()
    if needs:
        (suite / "convnextpose_check" / "variants.json").touch()
    shutil.copy(kaggle_install.__file__, suite / "fixtures")
    (suite / "pyproject.toml").write_text(f"[project]\ndependencies = ['{needs}']\n")
    (attached / "wheels" / "other-1.0-py3-none-any.whl").touch()

    cells = re.sub('OWNER = ".*?"', f'OWNER = "{owner}"', SETTINGS) + INSTALL
    result = run_cell(cells, tmp_path / "kaggle")

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(message)
    assert "Traceback" not in result.stderr
