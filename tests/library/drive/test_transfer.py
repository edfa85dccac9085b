"""One file from Drive: its pages, its moods, and connections that end or do not."""

from __future__ import annotations

import errno
import io
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from convnextpose_check.drive import transfer as fetching
from convnextpose_check.drive.download import fetch_missing
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.variants import Catalogue
from tests.library.conftest import Fetch
from tests.support.archives import content_of, saved
from tests.support.deferred import Deferred
from tests.support.drive import (
    ASKED,
    GIVEN,
    MISSING,
    PERMISSION,
    QUOTA,
    QUOTA_IN_ONE_LINE,
    SERVER_ERROR,
    UUID,
    Answer,
    Drive,
    Handler,
    bare,
    cut_off,
    endless,
    page,
    sent_to_sign_in,
    slow,
    stalled,
    trickling,
    whole,
)

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

PATIENCE = 5.0
"""Seconds after which a slow answer is whole after all, for code that waits too long."""


@pytest.fixture
def file_id(shared: Catalogue) -> str:
    return str(shared["XS"].checkpoint.drive_id)


@pytest.fixture
def data(archives: dict[str, bytes]) -> bytes:
    return archives["XS"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def refusal(fetch: Fetch) -> ConvNeXtPoseCheckError:
    return fetch("XS").failed["XS"]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".download.lock")


def test_file_that_drive_gives_at_once_is_fetched(
    fetch: Fetch, drive: Drive, data: bytes, folder: Path, file_id: str
) -> None:
    got = fetch("XS").obtained["XS"]

    assert got.fetched
    assert got.path == folder / "ConvNeXtPose_XS.tar"
    assert got.path.read_bytes() == data
    assert got.path.stat().st_mode & 0o777 == 0o644
    assert got.warning is None
    assert left_in(folder) == ["ConvNeXtPose_XS.tar"]
    assert drive.requests == [
        (ASKED, {"id": file_id}),
        (GIVEN, {"id": file_id, "export": "download"}),
    ]


def test_file_that_drive_does_not_scan_is_confirmed(
    fetch: Fetch, drive: Drive, data: bytes, file_id: str
) -> None:
    drive.answer(file_id, whole(data), unscanned=True)

    assert fetch("XS").obtained["XS"].path.read_bytes() == data
    confirmed = {"id": file_id, "export": "download", "confirm": "t", "uuid": UUID}
    assert drive.requests[-1] == (GIVEN, confirmed)


@pytest.mark.parametrize(
    ("answer", "code", "told", "way_out"),
    [
        (page(QUOTA_IN_ONE_LINE), "drive-quota", "too many people", "Try again after 24 hours"),
        (page(PERMISSION), "drive-permission", "not shared with you", "signed in to Google"),
        (page(PERMISSION, 403), "drive-permission", "not shared with you", "signed in to Google"),
        (sent_to_sign_in, "drive-sign-in", "without an account", "signed in to Google"),
        (page(MISSING, 404), "drive-missing", "a file that is not there", "browser"),
        (page("<html>?", 404), "drive-missing", "HTTP 404", "browser"),
        (page("<html>?"), "html-page", "a page that is not known (HTTP 200)", "browser"),
    ],
    ids=["quota", "permission", "forbidden", "sign-in", "missing", "gone", "unknown"],
)
def test_page_of_drive_is_named_with_its_way_out(
    answer: Answer, code: str, told: str, way_out: str,
    fetch: Fetch, drive: Drive, folder: Path, file_id: str,
) -> None:  # fmt: skip
    drive.answer(file_id, answer)

    error = refusal(fetch)

    assert error.code == code
    assert told in error.problem
    assert way_out in error.remedy
    for part in ("https://drive.google.com/drive/folders/the-folder", "ConvNeXtPose_XS.tar"):
        assert part in error.remedy
    assert error.remedy.endswith(str(folder))
    assert drive.asked(ASKED) <= 2  # by gdown, and to see why: what Drive refuses stays refused
    assert left_in(folder) == []


def test_quota_page_after_the_form_is_named(fetch: Fetch, drive: Drive, file_id: str) -> None:
    drive.answer(file_id, page(QUOTA_IN_ONE_LINE), unscanned=True)

    assert refusal(fetch).code == "drive-quota"


def test_form_that_comes_again_and_again_is_given_up(
    fetch: Fetch, drive: Drive, file_id: str
) -> None:
    drive.answer(file_id, page("<html><title>Google Drive - Virus scan warning</title>"))

    assert "after its virus scan page (tried 4 times)" in refusal(fetch).problem


def test_quota_page_that_gdown_cannot_read_is_read_all_the_same(
    fetch: Fetch, drive: Drive, file_id: str
) -> None:
    drive.answer(file_id, page(QUOTA))

    assert refusal(fetch).code == "drive-quota"


@pytest.mark.parametrize(
    ("content", "code"), [(QUOTA, "drive-quota"), ("<html>?</html>", "html-page")]
)
def test_page_that_comes_as_a_file_is_no_file(
    content: str, code: str, fetch: Fetch, drive: Drive, folder: Path, file_id: str
) -> None:
    drive.answer(file_id, whole(content.encode()))

    assert refusal(fetch).code == code
    assert drive.asked() == 1
    assert left_in(folder) == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda _: page(SERVER_ERROR, 500), id="500"),
        pytest.param(lambda _: page("<html>busy", 429), id="429"),
        pytest.param(cut_off, id="cut-off"),
        pytest.param(lambda data: whole(data[:-100]), id="truncated"),
        pytest.param(lambda data: whole(data.replace(b"PK\5\6", b"PK\5\7")), id="damaged"),
        pytest.param(lambda _: whole(b""), id="empty"),
        pytest.param(lambda _: whole(b"junk"), id="junk"),
    ],
)
def test_what_may_pass_is_tried_again(
    answer: object, fetch: Fetch, drive: Drive, data: bytes, file_id: str
) -> None:
    assert callable(answer)
    drive.answer(file_id, *[answer(data)] * 3, whole(data))

    got = fetch("XS").obtained["XS"]

    assert got.path.read_bytes() == data


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page(SERVER_ERROR, 500), "Drive answers with HTTP 500"),
        (cut_off(bytes(1000)), "the connection broke off"),
        (whole(b"junk"), "what Drive sent is not-an-archive"),
        (bare, "gdown cannot read Drive's answer (KeyError('content-type'))"),
    ],
    ids=["500", "cut-off", "junk", "bare"],
)
def test_what_does_not_pass_is_given_up(
    answer: Answer, reason: str, fetch: Fetch, drive: Drive, folder: Path, file_id: str
) -> None:
    drive.answer(file_id, answer)
    log = io.StringIO()

    error = fetch("XS", stream=log).failed["XS"]

    assert error.code == "download-failed"
    assert f"{reason} (tried 4 times)" in error.problem
    assert error.remedy.startswith("Try again later, or open https://")
    assert log.getvalue().count("trying again in") == 3
    assert left_in(folder) == []


def test_waits_grow_and_are_not_the_same_for_everybody(
    fetch: Fetch, drive: Drive, file_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive.answer(file_id, page(SERVER_ERROR, 500))
    monkeypatch.setattr(fetching, "BACK_OFF_SECONDS", 1.0)
    waits: list[float] = []
    monkeypatch.setattr("convnextpose_check.drive.transfer.time.sleep", waits.append)

    for _ in range(4):
        fetch("XS")

    assert all(base / 2 <= w <= 1.5 * base for w, base in zip(waits, [1, 2, 4] * 4, strict=True))
    assert len(set(waits)) == 12


@pytest.mark.parametrize(
    ("answer", "limit", "reason"),
    [
        (stalled, "SILENCE_SECONDS", "Drive sent nothing for 0.2 s"),
        (trickling, "STALL_SECONDS", "Drive sent next to nothing for 0.2 s"),
    ],
)
def test_connection_that_stands_still_is_ended(
    answer: object, limit: str, reason: str,
    fetch: Fetch, drive: Drive, data: bytes, file_id: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Code that waits for it gets the whole file in the end, and fails here."""
    assert callable(answer)
    monkeypatch.setattr(fetching, limit, 0.2)
    drive.answer(file_id, answer(data, PATIENCE))

    error = refusal(fetch)

    assert error.code == "download-failed"
    assert reason in error.problem


def test_stalled_page_is_ended(
    fetch: Fetch, drive: Drive, file_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(handler: Handler) -> None:
        handler.drive.over.wait(PATIENCE)

    monkeypatch.setattr(fetching, "SILENCE_SECONDS", 0.2)
    drive.answer(file_id, silent)

    assert "Drive sent nothing for 0.2 s" in refusal(fetch).problem


def test_file_of_another_variant_is_refused_at_once(
    fetch: Fetch, drive: Drive, archives: dict[str, bytes], folder: Path, file_id: str
) -> None:
    drive.answer(file_id, whole(archives["L"]))

    error = refusal(fetch)

    assert error.code == "wrong-variant"
    assert "what Drive sent as ConvNeXtPose_XS.tar is used as XS but holds L" in error.problem
    assert drive.asked() == 1
    assert left_in(folder) == []


def test_body_without_end_is_cut(fetch: Fetch, drive: Drive, folder: Path, file_id: str) -> None:
    drive.answer(file_id, endless)

    error = refusal(fetch)

    assert error.code == "wrong-size"
    assert drive.asked() == 1
    assert left_in(folder) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_that_fills_up_meanwhile_is_named(
    number: int, fetch: Fetch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fills_up(**_: object) -> None:
        raise OSError(number, "No space left on device")

    monkeypatch.setattr("gdown.download", fills_up)

    assert refusal(fetch).code == "disk-full"
    assert left_in(folder) == []


def test_other_error_of_the_disk_is_told_as_such(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(**_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("gdown.download", fails)

    error = refusal(fetch)

    assert error.code == "cannot-write"
    assert "Input/output error" in error.problem


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No name can be resolved; the hosts that were asked for."""
    hosts: list[str] = []

    def fails(host: str, *_: object, **__: object) -> None:
        hosts.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    monkeypatch.setattr(fetching, "BACK_OFF_SECONDS", 0.01)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return hosts


def test_without_internet_the_way_out_is_kaggles_switch(
    unplugged: list[str], shared: Catalogue, tmp_path: Path
) -> None:
    failed = fetch_missing([], tmp_path, shared, ["XS", "S"]).failed

    assert unplugged == ["drive.google.com"] * 4
    assert {error.code for error in failed.values()} == {"no-internet"}
    assert "Settings, Internet on" in failed["XS"].remedy
    assert "https://drive.google.com/drive/folders/the-folder" in failed["XS"].remedy
    assert "HTTPSConnectionPool" not in str(failed["XS"])


def test_nobody_at_drives_address_is_no_internet(fetch: Fetch, drive: Drive) -> None:
    drive.server.server_close()

    assert refusal(fetch).code == "no-internet"


@pytest.fixture
def large(shared: Catalogue) -> bytes:
    """An archive that gdown takes several pieces for, with an optimizer as the authors' have."""
    content = content_of(shared["XS"].architecture)
    content["optimizer"] = {"state": {0: torch.zeros(800_000)}}
    return saved(content)


def test_slow_connection_that_moves_is_not_ended(
    fetch: Fetch, drive: Drive, large: bytes, file_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than it may stand still."""
    monkeypatch.setattr(fetching, "STALL_SECONDS", 0.5)
    monkeypatch.setattr(fetching, "MOST_TIMES_EXPECTED", 1000)
    drive.answer(file_id, slow(large, pause=0.15))

    assert fetch("XS").obtained["XS"].path.read_bytes() == large


def test_progress_shows_the_bytes_and_the_time_left(
    drive: Drive, large: bytes, shared: Catalogue, file_id: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The bar goes back where a download begins anew, and ends where the file ends."""
    monkeypatch.setattr("convnextpose_check.progress.LOG_SECONDS", 0.0)
    facts = replace(shared["XS"].checkpoint, bytes=len(large))
    catalogue = replace(shared, variants=(replace(shared["XS"], checkpoint=facts),))
    drive.answer(file_id, cut_off(large), whole(large))
    log = io.StringIO()

    fetch_missing([], tmp_path, catalogue, ["XS"], log)

    lines = [line for line in log.getvalue().splitlines() if "ConvNeXtPose_XS.tar:" in line]
    shares = [int(found[1]) for line in lines if (found := re.search(r" (\d+)%", line))]
    assert shares[-1] == max(shares) == 100
    assert len(set(shares)) > 5
    assert sorted(shares) != shares
    assert re.search(r"3\.2\dM/3\.2\dM .*<.*B/s", lines[-1])
