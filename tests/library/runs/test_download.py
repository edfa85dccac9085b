"""The command ``download``, and the option ``--download`` of a run."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.run.run import Run, TargetName
from convnextpose_check.variants import Catalogue
from tests.support.drive import QUOTA, Drive, html_response
from tests.support.runs import make_run

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture
def command(shared: Catalogue, tmp_path: Path, nothing_set: Patch) -> list[str]:
    nothing_set.chdir(tmp_path)
    (tmp_path / "tiny.json").write_bytes(msgspec.json.encode(shared))
    return ["download", "--variants-file=tiny.json", str(tmp_path / "weights")]


def test_download_prints_all_checkpoints(
    command: list[str], drive: Drive, tmp_path: Path, archives: dict[str, bytes], capsys: Capture
) -> None:
    folder = tmp_path / "weights"
    assert main([*command, "--variants", "XS"]) == 0
    capsys.readouterr()

    assert main([*command, "--variants", "XS, S"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"XS: {folder / 'ConvNeXtPose_XS.tar'}",
        f"    sha256 {hashlib.sha256(archives['XS']).hexdigest()}",
        f"S: {folder / 'ConvNeXtPose_S.tar'}",
        f"    sha256 {hashlib.sha256(archives['S']).hexdigest()}",
    ]
    assert drive.count_requests() == 2


def test_download_missing_checkpoint_exits_with_code_1(
    command: list[str], drive: Drive, shared: Catalogue, capsys: Capture
) -> None:
    for name in ("S", "L"):
        drive.set_responses(str(shared[name].checkpoint.drive_id), html_response(QUOTA))

    assert main(command) == 1

    printed = capsys.readouterr()
    assert [line[:2] for line in printed.out.splitlines()[::2]] == ["XS", "M:"]
    for name in ("S", "L"):
        assert f"\n{name}: [download-refused] ConvNeXtPose_{name}.tar was" in printed.err


@pytest.mark.usefixtures("drive")
def test_download_without_folder_uses_checkpoints(command: list[str]) -> None:
    assert main([*command[:-1], "--variants", "XS"]) == 0

    assert Path("checkpoints", "ConvNeXtPose_XS.tar").is_file()


def run(catalogue: Catalogue, folder: Path, *options: str, name: TargetName = "published") -> Run:
    given = {"results_dir": str(folder / "output")} | dict.fromkeys(options, "1")
    places = (folder / "weights",) if (folder / "weights").exists() else ()
    return make_run(given, catalogue, read_facts(), None, *places, name=name)


def test_run_writes_downloads(drive: Drive, shared: Catalogue, tmp_path: Path) -> None:
    checkpoint = run(shared, tmp_path, "download").checkpoints["XS"]

    assert checkpoint.path == tmp_path / "output" / "checkpoints" / "ConvNeXtPose_XS.tar"
    assert drive.count_requests() == 4


@pytest.mark.parametrize(("name", "options"), [("published", []), ("synthetic", ["download"])])
def test_run_without_option_or_synthetic_downloads_nothing(
    name: TargetName, options: list[str], drive: Drive, shared: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "weights").mkdir()

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        run(shared, tmp_path, *options, name=name).checkpoints["XS"]

    assert caught.value.code == "checkpoint-not-found"
    assert "convnextpose_check download" in str(caught.value)
    assert drive.requests == []
