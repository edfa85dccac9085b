"""Existing checkpoints stay, missing ones are downloaded, and every failure names its reason."""

from __future__ import annotations

import errno
import io
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from convnextpose_check.drive import download
from convnextpose_check.drive.download import choose_download_folder, download_missing
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.regular_files import PARTIAL, lock_file
from convnextpose_check.variants import Catalogue
from tests.library.conftest import Fetch
from tests.support.archives import read_members, write_members
from tests.support.drive import (
    DOWNLOAD_URL,
    FILE_URL,
    MISSING,
    PERMISSION,
    QUOTA,
    SERVER_ERROR,
    UUID,
    Drive,
    Responder,
    empty_response,
    endless_response,
    file_response,
    html_response,
    redirect_to_sign_in,
)
from tests.support.read_only import read_only

if TYPE_CHECKING:
    from werkzeug import Response

NAMES = ("XS", "S", "M", "L")
XS_ID = "165D0rU2GImmRe7u7DNe6eKJG8voBIcGh"
FILE = "ConvNeXtPose_XS.tar"
Archives = dict[str, bytes]
Patch = pytest.MonkeyPatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints"
    path.mkdir()
    return path


def list_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".download.lock"}


def test_fetch_downloads_only_missing_checkpoints(
    fetch: Fetch, drive: Drive, folder: Path, archives: Archives
) -> None:
    (folder / "ConvNeXtPose_S (1).tar").write_bytes(archives["S"])
    given = [folder.with_name("elsewhere")]
    write_members(read_members(archives["M"]), given[0] / "snapshot_70.pth")
    paths = {
        "XS": folder / FILE,
        "S": folder / "ConvNeXtPose_S (1).tar",
        "M": given[0] / "snapshot_70.pth",
        "L": folder / "ConvNeXtPose_L.tar",
    }

    downloads = fetch(*NAMES, paths=given)

    assert downloads.refused == {}
    assert {name: downloads.load(name).path for name in NAMES} == paths
    assert (folder / FILE).read_bytes() == archives["XS"]
    assert (folder / FILE).stat().st_mode & 0o777 == 0o644
    assert drive.requests[:2] == [
        (FILE_URL, {"id": XS_ID}),
        (DOWNLOAD_URL, {"id": XS_ID, "export": "download"}),
    ]
    assert len(drive.requests) == 4
    assert fetch(*NAMES, paths=given).refused == {}
    assert len(drive.requests) == 4


def test_fetch_confirms_file_without_scan(fetch: Fetch, drive: Drive, archives: Archives) -> None:
    drive.set_responses(XS_ID, file_response(archives["XS"]), unscanned=True)

    assert fetch("XS").load("XS").path.read_bytes() == archives["XS"]
    confirmed = {"id": XS_ID, "export": "download", "confirm": "t", "uuid": UUID}
    assert drive.requests[-1] == (DOWNLOAD_URL, confirmed)


FAILURES = {
    "quota": (html_response(QUOTA), "download-refused", "quota page.*Try again after 24 hours", 2),
    "private": (
        html_response(PERMISSION),
        "download-refused",
        "not shared with everyone.*Sign in",
        2,
    ),
    "sign-in": (redirect_to_sign_in, "download-refused", "not shared with everyone.*Sign in", 2),
    "missing": (html_response(MISSING, 404), "file-not-found", "a file that does not exist", 2),
    "gone": (html_response("<html>?", 404), "file-not-found", "HTTP 404", 2),
    "page-as-file": (file_response(QUOTA.encode()), "html-page", "file is a web page.*quota", 1),
    "variant": (None, "wrong-variant", "the received file contains variant L: expected XS", 1),
    "endless": (endless_response, "download-failed", r"sent more than the allowed [\d,]+ bytes", 3),
    "server-error": (html_response(SERVER_ERROR, 500), "download-failed", "HTTP 500", 3),
    "cut-off": (file_response(b"half", 1000), "download-failed", "DownloadError", 3),
    "junk": (file_response(b"junk"), "not-a-checkpoint", "the received file", 1),
    "bare": (empty_response, "download-failed", "KeyError", 3),
}


@pytest.mark.parametrize(("answer", "code", "text", "attempts"), FAILURES.values(), ids=FAILURES)
def test_fetch_failure_names_reason_and_leaves_no_file(
    answer: Responder | None, code: str, text: str, attempts: int,
    fetch: Fetch, drive: Drive, folder: Path, archives: Archives,
) -> None:  # fmt: skip
    drive.set_responses(XS_ID, answer or file_response(archives["L"]))
    log = io.StringIO()

    downloads = fetch("XS", stream=log)

    error = downloads.refused["XS"]
    assert error.code == code
    assert error.problem.startswith(f"{FILE} was not downloaded: ")
    assert re.search(text, str(error))
    assert f"open https://drive.google.com/drive/folders/the-folder and save {FILE}" in error.remedy
    assert error.remedy.endswith(f" in {folder}")
    with pytest.raises(ConvNeXtPoseCheckError):
        downloads.load("XS")
    assert list_files(folder) == set()
    if attempts in (1, 3):
        assert log.getvalue().count("next attempt in") == attempts - 1
    else:  # gdown's, and one for the reason
        assert drive.count_requests(FILE_URL) == 2


def test_fetch_retries_transient_failures_with_growing_waits(
    fetch: Fetch, drive: Drive, archives: Archives, monkeypatch: Patch
) -> None:
    data, waits, log = archives["XS"], list[float](), io.StringIO()
    failures = (html_response("<html>busy", 429), file_response(b""), file_response(data[:-100]))
    drive.set_responses(XS_ID, *failures, file_response(data))
    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 1.0)
    monkeypatch.setattr(time, "sleep", waits.append)

    assert fetch("XS", stream=log).load("XS").path.read_bytes() == data

    for base, wait in zip((1, 2), waits, strict=True):
        assert base < wait < base + 1
        assert f"; next attempt in {wait:.0f} s" in log.getvalue()


def test_fetch_silent_connection_times_out(
    fetch: Fetch, drive: Drive, archives: Archives, monkeypatch: Patch
) -> None:
    """Without a timeout, the download would succeed."""

    def respond_slowly() -> Response:
        time.sleep(1)
        return file_response(archives["XS"])()

    monkeypatch.setattr(download, "TIMEOUT_SECONDS", (0.2, 0.2))
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    drive.set_responses(XS_ID, respond_slowly)

    error = fetch("XS").refused["XS"]

    assert error.code == "download-failed"
    assert "ReadTimeout" in error.problem


def test_fetch_offline_names_the_setting(
    shared: Catalogue, folder: Path, monkeypatch: Patch
) -> None:
    hosts: list[str] = []

    def fail(host: str, *_: object, **__: object) -> None:
        hosts.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 0.01)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    failed = download_missing([], folder, shared, ["XS"]).refused["XS"]

    assert hosts == ["drive.google.com"] * 3
    assert failed.code == "download-failed"
    assert "the connection to Google Drive failed" in failed.problem
    assert "Settings, Internet on" in failed.remedy


def test_fetch_disk_error_is_cannot_write(fetch: Fetch, folder: Path, monkeypatch: Patch) -> None:
    def fail(**_: object) -> None:
        raise OSError(errno.ENOSPC, "the disk's words")

    monkeypatch.setattr("gdown.download", fail)

    error = fetch("XS").refused["XS"]

    assert error.code == "cannot-write"
    assert error.problem == f"cannot write {folder / FILE}: the disk's words"
    assert error.remedy.startswith("Free disk space")
    assert list_files(folder) == set()


@pytest.mark.parametrize(
    ("name", "variant", "code"),
    [("ConvNeXtPose_XS (1).tar", "", "html-page"), (FILE, "L", "wrong-variant")],
)
def test_fetch_other_file_of_user_is_not_replaced(
    name: str, variant: str, code: str, fetch: Fetch, drive: Drive, folder: Path, archives: Archives
) -> None:
    content = archives[variant] if variant else b"<html>quota exceeded"
    (folder / name).write_bytes(content)

    assert fetch("XS").refused["XS"].code == code
    assert (folder / name).read_bytes() == content
    assert drive.requests == []


def test_fetch_bad_input_fails(fetch: Fetch, drive: Drive, shared: Catalogue, folder: Path) -> None:
    facts = replace(shared["XS"].checkpoint, drive_id=None)
    without_id = replace(shared, variants=(replace(shared["XS"], checkpoint=facts),))

    error = fetch("XS", catalogue=without_id).refused["XS"]

    assert (error.code, "has no drive_id" in error.problem) == ("download-failed", True)
    with pytest.raises(ConvNeXtPoseCheckError, match="nowhere does not exist"):
        fetch("XS", paths=[folder / "nowhere"])
    with (
        lock_file(folder / download.DOWNLOAD_LOCK),
        pytest.raises(ConvNeXtPoseCheckError, match=rf"\[in-use\] .*{folder}"),
    ):
        fetch("XS")
    assert drive.requests == []


def test_fetch_interrupt_leaves_no_partial(fetch: Fetch, folder: Path, monkeypatch: Patch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    (folder / f".{FILE}.abcdefgh{PARTIAL}").mkdir()
    (folder / ".other.partial").write_bytes(b"another program's")
    with monkeypatch.context() as patch:
        patch.setattr("convnextpose_check.checkpoints.load.repack", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch("XS")

    assert list_files(folder) == {".other.partial"}
    assert fetch("XS").load("XS").path == folder / FILE


def test_fetch_to_unwritable(fetch: Fetch, drive: Drive, folder: Path, archives: Archives) -> None:
    (folder / FILE).write_bytes(archives["XS"])

    with read_only(folder):
        assert fetch("XS").refused == {}
        with pytest.raises(ConvNeXtPoseCheckError, match="cannot-write"):
            fetch("S")
    assert drive.requests == []


def test_choose_download_folder_returns_first_writable(tmp_path: Path, archives: Archives) -> None:
    read, file, new = (tmp_path / name for name in ("a", "b.pth", "c"))
    read.mkdir()
    file.write_bytes(archives["XS"])
    paths = [read, file, tmp_path / "not-there.tar", new, tmp_path]
    out = tmp_path / "out"

    with read_only(read):
        assert choose_download_folder(paths, out) == new
        assert choose_download_folder(paths[:3], out) == out / "checkpoints"
    assert choose_download_folder(paths, out) == read
    assert not out.exists()
    assert list(read.iterdir()) == []
