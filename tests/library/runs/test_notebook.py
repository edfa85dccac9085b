"""The Kaggle notebook, executed without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from packaging.requirements import Requirement

from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.variants import Architecture
from fixtures import kaggle_install
from fixtures.notebook import INSTALL, NOTEBOOK_FILE, RUN, SETTINGS, SHOW, notebook
from tests.support.datasets import list_files
from tests.support.full_size import write_own_model
from tests.support.texts import ROOT

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Kaggle has a newer Python")

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
Installed = tuple[Completed, dict[str, str]]
Install = Callable[..., Installed]


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
        python,
        SETTINGS.replace("XS,S,M,L", "T") + INSTALL + RUN + SHOW, tmp_path / "kaggle",
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **{f"CONVNEXTPOSE_{name}": value for name, value in settings.items()},
    )  # fmt: skip

    assert "The run failed with exit code 1" in result.stderr
    assert "Not judged: only 8 of 8,695 samples" in result.stdout
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


@pytest.mark.parametrize("has_stale", [False, True])
def test_run_without_report_shows_end(tmp_path: Path, capsys: Capture, *, has_stale: bool) -> None:
    """Without the suite, pytest refuses its options."""
    pytest.importorskip("IPython")
    if has_stale:
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


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Run the install cell with ``preinstalled`` packages; returns its result and all packages."""

    def run_install(needs: list[str], preinstalled: list[str], wheels: dict[str, str]) -> Installed:
        environment, kaggle = tmp_path / "environment", tmp_path / "kaggle"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        (site,) = environment.glob("lib/python*/site-packages")
        for tool in map(find_spec, ("pip", "packaging")):  # from this environment
            assert tool is not None
            folder = Path(str(tool.origin)).parent
            (site / folder.name).symlink_to(folder)
        for name, version in (each.split("==") for each in preinstalled):
            write_distribution(site, name, version)
        (kaggle / "working").mkdir(parents=True)
        for wheel, requires in wheels.items():
            name, version = wheel.split("==")
            write_wheel(kaggle / "input" / "wheels", name, version, requires)
        suite = kaggle / "input" / "copy" / "convnextpose-check"
        (suite / "convnextpose_check").mkdir(parents=True)
        (suite / "convnextpose_check" / "variants.json").touch()
        (suite / "fixtures").mkdir()
        shutil.copy(kaggle_install.__file__, suite / "fixtures")
        (suite / "pyproject.toml").write_text(f"[project]\ndependencies = {needs}\n")
        result = run_cell(environment / "bin" / "python", SETTINGS + INSTALL, kaggle)
        folders = site.glob("*.dist-info")
        return result, dict(folder.name.removesuffix(".dist-info").split("-") for folder in folders)

    return run_install


def run_cell(python: str | Path, cell: str, kaggle: Path, **settings: str) -> Completed:
    """Run a cell with ``/kaggle`` replaced by ``kaggle``, whose parent is the ``PATH``."""
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | settings
    return subprocess.run(
        [python, "-c", cell.replace("/kaggle/", f"{kaggle}/")],
        env=settings | {"PATH": str(kaggle.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def write_distribution(site: Path, name: str, version: str, requires: str = "") -> None:
    """Write the metadata of an empty installed package."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(
        metadata + (f"Requires-Dist: {requires}\n" if requires else "")
    )
    (folder / "RECORD").write_text("")
    (folder / "INSTALLER").write_text("pip")


def write_wheel(folder: Path, name: str, version: str, requires: str) -> None:
    """Write an empty wheel with one requirement."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as made:
        write_distribution(Path(made), name, version, requires)
        (Path(made) / f"{name}-{version}.dist-info" / "WHEEL").write_text(
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for file in sorted(Path(made).rglob("*")):
                if file.is_file():
                    wheel.write(file, file.relative_to(made))


@pytest.mark.parametrize(
    ("needs", "preinstalled", "wheels", "message", "installed"),
    [
        pytest.param(
            ["torch>=2.10", "msgspec>=0.19", "tqdm>=4", "opencv-python-headless>=4,<5", "jinja2"],
            ["torch==2.10.0+cu128", "tqdm==3.0", "opencv_contrib_python==4.12", "jinja2==3.0"],
            {"msgspec==0.20": "jinja2", "tqdm==4.1": "", "torch==3.0": "", "jinja2==3.1": "",
             "opencv_python_headless==4.13": ""},
            None,
            {"torch": "2.10.0+cu128", "opencv_contrib_python": "4.12", "jinja2": "3.0",
             "msgspec": "0.20", "tqdm": "4.1"},
            id="only-missing-and-old",
        ),
        pytest.param(
            ["msgspec"], ["torch==2.10.0"], {"msgspec==0.20": "torch>=3", "torch==3.0": ""},
            "Cannot install msgspec. Attach wheels of these packages and of their dependencies.",
            {"torch": "2.10.0"}, id="torch-stays", marks=pytest.mark.slow,
        ),
        pytest.param(
            ["torch>=2.10"], ["torch==2.6.0"], {"torch==3.0": ""},
            "This environment has torch 2.6.0, expected torch>=2.10. Select Kaggle's latest"
            " environment (Settings, Environment).",
            {"torch": "2.6.0"}, id="old-torch",
        ),
    ],
)  # fmt: skip
def test_install_cell_replaces_nothing_that_is_new_enough(
    install: Install,
    needs: list[str],
    preinstalled: list[str],
    wheels: dict[str, str],
    message: str | None,
    installed: dict[str, str],
) -> None:
    result, packages = install(needs, preinstalled, wheels)

    assert result.returncode == int(message is not None), result.stderr
    assert (result.stderr.splitlines() or [""])[-1].startswith(message or "")
    assert packages == installed


@pytest.mark.parametrize(
    ("owner", "message"),
    [
        ("YOUR-FORK", "OWNER is not set. Set it to the owner of the suite's repository."),
        (
            "owner",
            "Cannot clone https://github.com/owner/convnextpose-check. Check OWNER, and switch on"
            " the internet (Settings, Internet).",
        ),
    ],
)
def test_install_without_suite_prints_one_message(tmp_path: Path, owner: str, message: str) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexit 128\n")
    (tmp_path / "git").chmod(0o755)

    cells = re.sub('OWNER = ".*?"', f'OWNER = "{owner}"', SETTINGS) + INSTALL
    result = run_cell(sys.executable, cells, tmp_path / "kaggle")

    assert result.stderr.splitlines() == [message]
