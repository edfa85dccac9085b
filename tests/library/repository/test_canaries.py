"""Private parts of other libraries that are used here: each still is what it is taken for."""

from __future__ import annotations

import inspect
import io
import tarfile
import zipfile

import pytest
from pytest_html.basereport import BaseReport


def test_zipfile__EndRecData_tells_the_size_of_the_directory_before_it_is_read() -> None:  # noqa: N802 - as it is called
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"content")
    directory_bytes = 46 + len("a")  # of the one entry

    end = zipfile._EndRecData(buffer)  # type: ignore[attr-defined]

    assert end[zipfile._ECD_SIZE] == directory_bytes  # type: ignore[attr-defined]
    assert zipfile._EndRecData(io.BytesIO(b"no zip")) is None  # type: ignore[attr-defined]


def _tar(**headers: str) -> io.BytesIO:
    """A tar of one empty file with these extended headers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = headers
        archive.addfile(info)
    buffer.seek(0)
    return buffer


def test_tarfile__proc_member_is_asked_of_every_header() -> None:
    types = []

    class Watched(tarfile.TarInfo):
        def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
            types.append(self.type)
            return super()._proc_member(archive)  # type: ignore[misc, no-any-return]

    with tarfile.open(fileobj=_tar(comment="c"), tarinfo=Watched) as archive:
        archive.getmembers()

    assert types == [tarfile.XHDTYPE, tarfile.REGTYPE]


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("_proc_gnusparse_00", {"GNU.sparse.size": "0", "GNU.sparse.numblocks": "0"}),
        ("_proc_gnusparse_01", {"GNU.sparse.map": "0,0"}),
        ("_proc_gnusparse_10", {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
    ],
)
def test_tarfile__proc_gnusparse_is_asked_of_each_kind_of_sparse_file(
    name: str, headers: dict[str, str]
) -> None:
    class Asked(Exception):  # noqa: N818 - it is no error
        pass

    def ask(*_: object) -> None:
        raise Asked

    watched = type("Watched", (tarfile.TarInfo,), {name: ask})
    with pytest.raises(Asked), tarfile.open(fileobj=_tar(**headers), tarinfo=watched) as archive:
        archive.getmembers()


def test_pytest_html__write_report_takes_the_page_and__report_path_is_its_file() -> None:
    assert list(inspect.signature(BaseReport._write_report).parameters) == [
        "self",
        "rendered_report",
    ]
    assert "self._report_path" in inspect.getsource(BaseReport.__init__)
    assert "self._write_report(" in inspect.getsource(BaseReport._generate_report)
