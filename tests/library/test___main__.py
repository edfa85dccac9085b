"""Wrong command lines are named, and ``--version`` prints the packages."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from convnextpose_check.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "\n    report "),
        (["--help"], 0, "Write the report and archives of a finished run again."),
        (["reprot"], 2, "unknown command 'reprot' (did you mean report?)."),
        (["x"], 2, "unknown command 'x'. Choose from doctor, download, gate, diagnose, report"),
        (["doctor", "--h36m-rot=x"], 2, "option '--h36m-rot=x' (did you mean --h36m-root?)."),
        (["link", "--zzz"], 2, "unknown option '--zzz'."),
        (["link", "--a\n::error::"], 2, "unknown option '--a\\n\\x3a:error\\x3a:'."),
        (["doctor", "--protocol", "3"], 2, "[bad-option] --protocol is '3': expected one of 1, 2"),
        (["doctor", "--variants", "Q"], 2, "unknown variant 'Q'"),
        (["doctor", "--device="], 2, "[bad-option] --device is empty. Give it a value"),
        (["doctor", "--variants-file", "nowhere"], 2, "cannot read the variants file"),
    ],
)
def test_main_wrong_argument_exits_with_code_2_and_message(
    arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        obtained = main(arguments)
    except SystemExit as ended:
        obtained = int(str(ended.code))

    assert obtained == code
    assert text in "".join(capsys.readouterr())


def test_main_version_names_the_packages_without_importing_torch() -> None:
    code = "import sys, convnextpose_check.__main__ as m\ntry: m.main(['--version'])\nfinally: "
    ended = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    shown, has_torch = ended.stdout.splitlines()
    assert shown.startswith(f"convnextpose-check {version('convnextpose-check')} with torch ")
    assert f"numpy {version('numpy')}, OpenCV 4." in shown
    assert has_torch == "False"


def test_console_script_is_main() -> None:
    (script,) = entry_points(group="console_scripts", name="convnextpose-check")
    assert script.load() is main
