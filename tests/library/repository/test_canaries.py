"""Private parts of other libraries that this suite uses behave as it expects.

A failure names the package, its version, and the module here that depends on the part.
"""

from __future__ import annotations

import inspect
import io
import pickletools
import platform
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_html
import torch
from pytest_html.basereport import BaseReport

from convnextpose_check.checkpoints.pickle_check import REBUILD_TENSOR
from convnextpose_check.environment import package_version


@contextmanager
def canary(package: str, part: str, used_in: str) -> Iterator[None]:
    """Fail with a message that this part of a package changed if the block raises."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a changed part may raise anything
        found = platform.python_version() if package == "Python" else package_version(package)
        pytest.fail(
            f"{package} {found} changed {part}, which convnextpose_check/{used_in} uses"
            f" ({type(error).__name__}: {error}): adapt that module, or exclude this version in"
            " pyproject.toml",
            pytrace=False,
        )


def test_zipfile__EndRecData_returns_directory_size() -> None:  # noqa: N802 - its name
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"content")
    directory_bytes = 46 + len("a")  # one entry

    with canary("Python", "zipfile._EndRecData", "checkpoints/members.py"):
        end = zipfile._EndRecData(buffer)  # type: ignore[attr-defined]

        assert end[zipfile._ECD_SIZE] == directory_bytes  # type: ignore[attr-defined]
        assert zipfile._EndRecData(io.BytesIO(b"no zip")) is None  # type: ignore[attr-defined]


HEADERS = {
    "_proc_member": {"comment": "c"},
    "_proc_gnusparse_00": {"GNU.sparse.size": "0", "GNU.sparse.numblocks": "0"},
    "_proc_gnusparse_01": {"GNU.sparse.map": "0,0"},
    "_proc_gnusparse_10": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_tarfile_private_methods_are_called_for_each_header(name: str) -> None:
    buffer, calls = io.BytesIO(), list[bytes]()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = HEADERS[name]
        archive.addfile(info)
    buffer.seek(0)

    def watch(info: Any, *given: Any) -> Any:
        calls.append(info.type)
        return super(watched, info)._proc_member(*given) if name == "_proc_member" else None

    watched: Any = type("Watched", (tarfile.TarInfo,), {name: watch})
    with canary("Python", f"tarfile.TarInfo.{name}", "checkpoints/members.py"):
        with tarfile.open(fileobj=buffer, tarinfo=watched) as archive, suppress(Exception):
            archive.getmembers()

        assert len(calls) == (2 if name == "_proc_member" else 1)


def test_pytest_html_page_has_expected_markup() -> None:
    """The suite inserts its columns between Result, Test and Duration."""
    with canary("pytest-html", "basereport.BaseReport or its page", "plugin/report.py"):
        parameters = inspect.signature(BaseReport._write_report).parameters
        assert list(parameters) == ["self", "rendered_report"]
        assert "self._report_path" in inspect.getsource(BaseReport.__init__)
        assert "self._write_report(" in inspect.getsource(BaseReport._generate_report)
        resources = Path(pytest_html.__file__).with_name("resources")
        template = (resources / "index.jinja2").read_text(encoding="utf-8")
        assert "<html>\n  <head>" in template
        assert 'data-test-result="' in template
        source = inspect.getsource(BaseReport)
        places = [source.index(f"col-{name}") for name in ("result", "testId", "duration")]
        assert places == sorted(places)


def test_torch_tensor_has_only__backward_hooks() -> None:
    with canary("torch", "Tensor._backward_hooks", "checkpoints/load.py"):
        assert torch.zeros(1)._backward_hooks is None
        assert vars(torch.zeros(1)) == {}


def test_torch_save_writes_tensors_as__rebuild_tensor_v2() -> None:
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer)

    with canary("torch", "_utils._rebuild_tensor_v2", "checkpoints/pickle_check.py"):
        with zipfile.ZipFile(buffer) as archive:
            (name,) = (n for n in archive.namelist() if n.endswith("data.pkl"))
            program = pickletools.genops(archive.read(name))
        assert REBUILD_TENSOR in [value for code, value, _ in program if code.name == "GLOBAL"]


def test_torch_state_dicts_carry_versions_in__metadata() -> None:
    with canary("torch", "the _metadata of Module.state_dict()", "synthetic/archives.py"):
        state = torch.nn.Sequential(torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 1)).state_dict()
        metadata = state._metadata  # type: ignore[attr-defined]
        assert metadata["0"] == {"version": 2}
        assert metadata["1"] == {"version": 1}
