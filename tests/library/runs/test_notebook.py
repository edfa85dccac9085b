"""The Kaggle notebook, executed cell by cell in an environment like Kaggle's, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.miniature.build import Miniature
from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results
from convnextpose_check.variants import Architecture
from fixtures.notebook import INSTALL, NOTEBOOK_FILE, SHOW, notebook
from tests.support.full_size import write_own_model

if TYPE_CHECKING:
    from nbformat import NotebookNode

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="Kaggle has a newer Python")

Install = Callable[..., tuple[subprocess.CompletedProcess[str], dict[str, str]]]


def test_notebook_is_the_one_that_the_module_writes() -> None:
    assert NOTEBOOK_FILE.read_text() == notebook(), "write it again: python -m fixtures.notebook"


@pytest.fixture
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a kernel of its own environment, which sees the packages of this one."""
    folder = tmp_path_factory.mktemp("kernel")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # A path file, as Debian's own for its packages: what is there counts as installed.
    (Path(site) / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    kernels = folder / "kernels" / "python3"
    kernels.mkdir(parents=True)
    arguments = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": arguments, "display_name": "Kaggle", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(specification))
    return folder


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder mounted read-only, as Kaggle's input is, where the machine allows it."""
    mounted = [
        subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
        for arguments in (
            ["--bind", str(folder), str(folder)],
            ["-o", "remount,bind,ro", str(folder)],
        )
    ]
    try:
        yield
    finally:
        if mounted[0]:
            subprocess.run(["umount", str(folder)], check=True)


def attach_suite(root: Path, target: Path) -> None:
    """The repository as a data set: what git tracks."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def execute(
    kernel: Path, kaggle: Path, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> tuple[NotebookNode, Exception | None]:
    """Run all cells with this machine's folders in the place of Kaggle's."""
    import nbclient
    import nbformat

    for name in [name for name in os.environ if name.startswith(("CONVNEXTPOSE_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # no wheels but those that are attached
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("JUPYTER_PATH", str(kernel))
    for name, value in {"DEVICE": "cpu", **settings}.items():
        monkeypatch.setenv(f"CONVNEXTPOSE_{name}", value)
    (kaggle / "working").mkdir()
    text = NOTEBOOK_FILE.read_text().replace("/kaggle/", f"{kaggle}/")
    content = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # untyped
    client = nbclient.NotebookClient(content, timeout=600, kernel_name="python3")
    try:
        with read_only(kaggle / "input"):
            client.execute()
    except nbclient.exceptions.CellExecutionError as error:
        return content, error
    return content, None


def outputs_of(cell: Any) -> str:
    return json.dumps(cell["outputs"])


def test_failing_gate_fails_the_notebook_after_its_report_is_shown(
    kernel: Path,
    miniature: Miniature,
    tiny: Architecture,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The synthetic data set is attached, which is not the whole of Human3.6M."""
    kaggle = tmp_path / "kaggle"
    attach_suite(pytestconfig.rootpath, kaggle / "input" / "suite" / "convnextpose-check")
    (kaggle / "input" / "human36m").symlink_to(miniature.dataset)
    (kaggle / "input" / "weights").mkdir()
    figures = tmp_path / "own.json"
    figures.write_text(json.dumps(write_own_model(tiny, kaggle / "input" / "weights")))

    content, error = execute(kernel, kaggle, monkeypatch, VARIANTS_FILE=str(figures), LIMIT="8")

    install, run, show = content["cells"]
    assert error is not None
    assert "The gate failed with exit code 1" in str(error)
    assert install["outputs"] == []  # nothing was missing, so that nothing was installed
    assert "Not judged: subset, 8 of 8,695 samples" in outputs_of(run)
    assert "text/markdown" in outputs_of(show)
    assert "image/png" in outputs_of(show)
    assert "<iframe srcdoc=" in outputs_of(show)
    results = read_results(Outputs(kaggle / "working" / "output").results)
    assert results.variants["T"].samples == 8
    assert results.dataset.root.startswith(str(kaggle / "input"))


def test_passing_gate_passes_the_notebook(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("IPython", reason="comes with ipykernel")
    (tmp_path / "report.html").write_text("this run")
    names = {"output": tmp_path, "started": 0, "gate": SimpleNamespace(returncode=0)}

    exec(SHOW, names)

    assert "IPython.core.display.HTML object" in capsys.readouterr().out


@pytest.mark.parametrize("stale", [False, True], ids=["no-report", "earlier-report"])
def test_run_without_a_report_shows_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stale: bool
) -> None:
    pytest.importorskip("IPython", reason="comes with ipykernel")
    if stale:
        (tmp_path / "result").mkdir()
        for name in ("report.html", "result/BENCHMARK_REPORT.md"):
            (tmp_path / name).write_text("another run")
    names = {
        "output": tmp_path,
        "started": time.time() + 60,
        "last": ["ERROR: [bad-option] CONVNEXTPOSE_GATE is '3mm'"],
        "gate": SimpleNamespace(returncode=4),
    }

    with pytest.raises(SystemExit, match="exit code 4"):
        exec(SHOW, names)

    assert "[bad-option] CONVNEXTPOSE_GATE is '3mm'" in (told := capsys.readouterr().out)
    assert "another run" not in told
    assert "iframe" not in told


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Run the first cell where ``there`` is installed; returns its end and all packages."""

    def run_cell(
        needs: list[str], there: list[str], wheels: dict[str, str]
    ) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
        environment, kaggle = tmp_path / "environment", tmp_path / "kaggle"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
        (site,) = environment.glob("lib/python*/site-packages")
        for tool in ("pip", "packaging", "tomllib"):  # of this environment, nothing else of it
            if (spec := find_spec(tool)) and spec.origin and "site-packages" in spec.origin:
                (site / tool).symlink_to(Path(spec.origin).parent)
        for name, version in (each.split("==") for each in there):
            write_distribution(site, name, version)
        (kaggle / "working").mkdir(parents=True)
        for wheel, requires in wheels.items():
            name, version = wheel.split("==")
            write_wheel(kaggle / "input" / "wheels", name, version, requires)
        suite = kaggle / "input" / "copy" / "convnextpose-check"
        (suite / "convnextpose_check").mkdir(parents=True)
        (suite / "convnextpose_check" / "variants.json").touch()
        (suite / "pyproject.toml").write_text(f"[project]\ndependencies = {needs}\n")
        result = run_install(environment / "bin" / "python", INSTALL, kaggle)
        folders = site.glob("*.dist-info")
        return result, dict(folder.name.removesuffix(".dist-info").split("-") for folder in folders)

    return run_cell


def run_install(python: str | Path, cell: str, kaggle: Path) -> subprocess.CompletedProcess[str]:
    """Run the first cell with ``kaggle`` as Kaggle's folder, and programs of its parent alone."""
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(
        [python, "-c", cell.replace("/kaggle/", f"{kaggle}/")],
        env=settings | {"PATH": str(kaggle.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def write_distribution(site: Path, name: str, version: str, requires: str = "") -> None:
    """A package that is installed, and empty."""
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    told = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / "METADATA").write_text(told + (f"Requires-Dist: {requires}\n" if requires else ""))
    (folder / "RECORD").write_text("")
    (folder / "INSTALLER").write_text("pip")


def write_wheel(folder: Path, name: str, version: str, requires: str) -> None:
    """An empty wheel that needs something."""
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
    ("needs", "there", "wheels", "message", "installed"),
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
            "Not installed: msgspec. Kaggle lacks them:", {"torch": "2.10.0"}, id="torch-stays",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["torch>=2.10"], ["torch==2.6.0"], {"torch==3.0": ""},
            "Kaggle has torch 2.6.0 here: torch>=2.10 is in its newest environment.",
            {"torch": "2.6.0"}, id="old-torch",
        ),
    ],
)  # fmt: skip
def test_install_cell_replaces_nothing_that_is_new_enough(
    install: Install,
    needs: list[str],
    there: list[str],
    wheels: dict[str, str],
    message: str | None,
    installed: dict[str, str],
) -> None:
    result, packages = install(needs, there, wheels)

    assert result.returncode == int(message is not None), result.stderr
    assert (result.stderr.splitlines() or [""])[-1].startswith(message or "")
    assert packages == installed


@pytest.mark.parametrize(
    ("fork", "message"),
    [
        ("YOUR-FORK", "Write the owner of your fork into the line of this cell that sets FORK."),
        (
            "somebody",
            "Cannot clone https://github.com/somebody/convnextpose-check: is FORK its owner, and"
            " Settings, Internet on?",
        ),
    ],
)
def test_install_cell_without_suite_ends_with_a_sentence(
    tmp_path: Path, fork: str, message: str
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexit 128\n")
    (tmp_path / "git").chmod(0o755)

    result = run_install(sys.executable, INSTALL.replace("YOUR-FORK", fork), tmp_path / "kaggle")

    assert result.stderr.splitlines() == [message]
