"""The download as a user asks for it: as a command, and with a run of the tests."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.run.run import Run
from convnextpose_check.run.target import TargetName
from convnextpose_check.settings.options import PREFIX
from convnextpose_check.variants import Catalogue
from tests.support.drive import QUOTA_IN_ONE_LINE, Drive, page
from tests.support.read_only import read_only
from tests.support.runs import run_of


@pytest.fixture
def variants_file(shared: Catalogue, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_bytes(msgspec.json.encode(shared))
    return path


@pytest.fixture
def command(variants_file: Path, tmp_path: Path, nothing_set: pytest.MonkeyPatch) -> list[str]:
    nothing_set.chdir(tmp_path)
    own = ["--variants-file", str(variants_file), "--results-dir", str(tmp_path / "output")]
    return ["download", str(tmp_path / "weights"), *own]


def test_command_says_what_was_there_and_what_was_fetched(
    command: list[str], drive: Drive, tmp_path: Path, archives: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "weights"
    assert main([*command, "--variants", "XS"]) == 0
    capsys.readouterr()

    assert main([*command, "--variants", "XS, S"]) == 0

    lines = capsys.readouterr().out.splitlines()
    size = f"{len(archives['XS']):,} bytes"
    assert lines[0] == f"XS: was there, {folder / 'ConvNeXtPose_XS.tar'}, {size}"
    assert lines[2].startswith(f"S: fetched, {folder / 'ConvNeXtPose_S.tar'}, ")
    assert lines[1] == f"    sha256 {hashlib.sha256(archives['XS']).hexdigest()}"
    assert len(lines) == 4
    assert drive.asked() == 2


def test_command_fails_where_one_is_not_there_in_the_end(
    command: list[str], drive: Drive, shared: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("S", "L"):
        drive.answer(str(shared[name].checkpoint.drive_id), page(QUOTA_IN_ONE_LINE))

    assert main(command) == 1

    said = capsys.readouterr()
    assert [line[:2] for line in said.out.splitlines()[::2]] == ["XS", "M:"]
    for name in ("S", "L"):
        assert f"\n{name}: [drive-quota] ConvNeXtPose_{name}.tar was not downloaded" in said.err
    assert "Traceback" not in said.err


def test_command_says_once_what_keeps_several_away(
    command: list[str], drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    drive.server.server_close()

    assert main(command) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "[no-internet]" in line]
    assert [line.partition(" [")[0] for line in said] == ["XS, S, M, L:"]


@pytest.mark.parametrize(
    ("names", "code"), [("Q", "unknown-variant"), ("XS,Q", "unknown-variant"), ("", "bad-option")]
)
def test_command_knows_the_variants(
    names: str, code: str, command: list[str], drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--variants", names]) == 2
    assert f"[{code}]" in capsys.readouterr().err
    assert drive.requests == []


@pytest.fixture
def set_up(
    variants_file: Path, tmp_path: Path, nothing_set: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """All that ``download`` takes, as a notebook sets it once for every command."""
    for name, value in {
        "CHECKPOINTS": tmp_path / "weights",
        "RESULTS_DIR": tmp_path / "output",
        "VARIANTS": "XS",
        "VARIANTS_FILE": variants_file,
    }.items():
        nothing_set.setenv(PREFIX + name, str(value))
    nothing_set.chdir(tmp_path)
    return nothing_set


@pytest.mark.usefixtures("set_up")
def test_command_reads_the_variables_of_a_run(
    drive: Drive, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["download"]) == 0

    out = capsys.readouterr().out
    assert out.startswith(f"XS: fetched, {tmp_path / 'weights' / 'ConvNeXtPose_XS.tar'}, ")
    assert drive.asked() == 1
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.usefixtures("drive")
@pytest.mark.parametrize("writable", [True, False])
def test_command_looks_in_every_place_and_fetches_where_a_run_does(
    writable: bool, set_up: pytest.MonkeyPatch, tmp_path: Path,
    archives: dict[str, bytes], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    held, other = tmp_path / "held", tmp_path / "weights"
    held.mkdir()
    (held / "ConvNeXtPose_XS.tar").write_bytes(archives["XS"])
    other.mkdir()
    set_up.setenv(f"{PREFIX}CHECKPOINTS", f"{held}:{other}" if writable else str(held))
    set_up.setenv(f"{PREFIX}VARIANTS", "XS,S")

    with read_only(held):
        assert main(["download"]) == 0

    rows = capsys.readouterr().out.splitlines()[::2]
    folder = other if writable else tmp_path / "output" / "checkpoints"
    assert rows[0].startswith(f"XS: was there, {held / 'ConvNeXtPose_XS.tar'}, ")
    assert rows[1].startswith(f"S: fetched, {folder / 'ConvNeXtPose_S.tar'}, ")


@pytest.mark.usefixtures("drive")
def test_what_the_command_is_given_wins_over_the_environment(
    set_up: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up.setenv(f"{PREFIX}VARIANTS_FILE", str(tmp_path / "nowhere.json"))
    tiny, given = tmp_path / "tiny.json", tmp_path / "given"

    assert main(["download", str(given), "--variants", "S", "--variants-file", str(tiny)]) == 0

    assert [path.name for path in given.glob("*.tar")] == ["ConvNeXtPose_S.tar"]
    assert not (tmp_path / "weights").exists()


@pytest.mark.usefixtures("drive")
def test_command_without_a_place_fetches_into_checkpoints(
    set_up: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up.delenv(f"{PREFIX}CHECKPOINTS")

    assert main(["download"]) == 0

    assert (tmp_path / "checkpoints" / "ConvNeXtPose_XS.tar").is_file()


def test_command_names_a_variable_that_is_no_setting(
    set_up: pytest.MonkeyPatch, drive: Drive, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up.setenv(f"{PREFIX}VARIANT", "XS")

    assert main(["download"]) == 2

    assert "[bad-option] the environment sets CONVNEXTPOSE_VARIANT" in capsys.readouterr().err
    assert drive.requests == []


def run(catalogue: Catalogue, folder: Path, *options: str, name: TargetName = "published") -> Run:
    given = {"results_dir": str(folder / "output")} | dict.fromkeys(options, "1")
    places = (folder / "weights",) if (folder / "weights").exists() else ()
    return run_of(given, catalogue, read_facts(), None, *places, name=name)


def test_trial_without_places_downloads_below_its_results(
    drive: Drive, shared: Catalogue, tmp_path: Path
) -> None:
    checkpoint = run(shared, tmp_path, "download").checkpoints["XS"]

    assert checkpoint.path == tmp_path / "output" / "checkpoints" / "ConvNeXtPose_XS.tar"
    assert drive.asked() == 4


def test_trial_downloads_into_the_folder_of_the_user(
    shared: Catalogue, tmp_path: Path, drive: Drive
) -> None:
    (tmp_path / "weights").mkdir()

    assert run(shared, tmp_path, "download").checkpoints["XS"].path.parent.name == "weights"
    assert run(shared, tmp_path).checkpoints["L"].epoch == made_epoch(shared["L"])
    assert drive.asked() == 4


@pytest.mark.parametrize(("name", "options"), [("published", []), ("miniature", ["download"])])
def test_nothing_is_downloaded_unasked(
    name: TargetName, options: list[str], drive: Drive, shared: Catalogue, tmp_path: Path
) -> None:
    (tmp_path / "weights").mkdir()

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        run(shared, tmp_path, *options, name=name).checkpoints["XS"]

    assert caught.value.code == "no-checkpoints"
    assert "--download" in caught.value.remedy
    assert drive.requests == []


def test_failed_download_fails_its_variant_alone(
    drive: Drive, shared: Catalogue, tmp_path: Path
) -> None:
    drive.answer(str(shared["S"].checkpoint.drive_id), page(QUOTA_IN_ONE_LINE))
    published = run(shared, tmp_path, "download")

    for _ in range(2):
        with pytest.raises(ConvNeXtPoseCheckError, match="ConvNeXtPose_S"):
            published.checkpoints["S"]
    assert published.checkpoints["XS"].epoch == made_epoch(shared["XS"])
    assert len([1 for _, query in drive.requests if query.get("export")]) <= 5


def test_run_of_the_tests_downloads(
    drive: Drive, variants_file: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    environment["DRIVE_PORT"] = str(drive.server.server_port)

    result = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-p", "tests.support.drive_plugin",
            "-p", "no:cacheprovider", "-m", "gpu", "-k", "holds_the_variant",
            "--download", "--device=cpu", f"--variants-file={variants_file}", "--variants=XS,M",
            f"--results-dir={tmp_path / 'out'}", "tests/validation/test_checkpoints.py",
        ],
        cwd=pytestconfig.rootpath,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert "2 passed" in result.stdout, result.stdout + result.stderr
    assert "read: --download True" in result.stdout
    assert "ConvNeXtPose_M.tar: 100%" in result.stderr
    found = {path.name for path in (tmp_path / "out" / "checkpoints").glob("[!.]*")}
    assert found == {"ConvNeXtPose_XS.tar", "ConvNeXtPose_M.tar"}
