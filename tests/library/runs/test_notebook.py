"""The Kaggle notebook, executed cell by cell in an environment like Kaggle's, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.paths import Outputs
from convnextpose_check.results.schema import read_results
from convnextpose_check.variants import Architecture
from fixtures.notebook import NOTEBOOK_FILE, notebook
from tests.support.full_size import write_full_size, write_own_model

if TYPE_CHECKING:
    from nbformat import NotebookNode


def test_notebook_is_the_one_that_the_module_writes() -> None:
    assert NOTEBOOK_FILE.read_text() == notebook(), "write it again: python -m fixtures.notebook"


@pytest.fixture(scope="module")
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
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The miniature as the real set: everything works, and it is not the whole set."""
    kaggle = tmp_path / "kaggle"
    attach_suite(pytestconfig.rootpath, kaggle / "input" / "suite" / "convnextpose-check")
    (kaggle / "input" / "human36m").symlink_to(miniature.dataset)
    (kaggle / "input" / "weights").symlink_to(miniature.checkpoints)

    content, error = execute(kernel, kaggle, monkeypatch, VARIANTS="XS", LIMIT="8")

    install, run, show = content["cells"]
    assert error is not None
    assert "The gate failed with exit code 1" in str(error)
    assert install["execution_count"] == 1
    assert "Not judged: subset, 8 of 8,695 samples" in outputs_of(run)
    assert "text/markdown" in outputs_of(show)
    assert "image/png" in outputs_of(show)
    assert "<iframe srcdoc=" in outputs_of(show)
    results = read_results(Outputs(kaggle / "working" / "output").results)
    assert results.variants["XS"].samples == 8
    assert results.dataset.root.startswith(str(kaggle / "input"))


def test_run_without_data_says_what_to_attach(
    kernel: Path, tmp_path: Path, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle = tmp_path / "kaggle"
    attach_suite(pytestconfig.rootpath, kaggle / "input" / "convnextpose-check")

    content, error = execute(kernel, kaggle, monkeypatch, VARIANTS="XS")

    _, run, show = content["cells"]
    assert error is not None
    assert "[no-data]" in outputs_of(run)
    assert "Nothing was evaluated" in outputs_of(show)


@pytest.mark.slow
def test_passing_gate_passes_the_notebook(
    kernel: Path,
    miniature: Miniature,
    tiny: Architecture,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 8,695 samples, and a model of one's own by the figure that it has."""
    kaggle = tmp_path / "kaggle"
    attach_suite(pytestconfig.rootpath, kaggle / "input" / "convnextpose-check")
    write_full_size(miniature.dataset, read_facts(), kaggle / "input" / "h36m")
    own = write_own_model(tiny, kaggle / "input")
    figures = tmp_path / "own.json"
    figures.write_text(json.dumps(own))
    execute(kernel, kaggle, monkeypatch, VARIANTS_FILE=str(figures))
    results = read_results(Outputs(kaggle / "working" / "output").results)
    own["variants"][0]["paper"]["mpjpe_mm"] = {
        "value": results.variants["T"].error_mm,
        "source": "a first run",
    }
    figures.write_text(json.dumps(own))
    shutil.rmtree(kaggle / "working")

    content, error = execute(kernel, kaggle, monkeypatch, VARIANTS_FILE=str(figures))

    assert error is None
    assert "Reproduced: T is within 5 mm" in outputs_of(content["cells"][1])
