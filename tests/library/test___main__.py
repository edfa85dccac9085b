"""Commands, options and versions are easily found."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version

import pytest

from convnextpose_check.__main__ import COMMANDS, main


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "\n    report     Draw and pack the pages of a finished run again."),
        (["--help"], 0, "Exit codes: 0 success"),
        (["reprot"], 2, "there is no command 'reprot': did you mean report?"),
        (["zzz"], 2, "there is no command 'zzz': choose from gate, doctor"),
        (["doctor", "--h36m-rot=x"], 2, "no option '--h36m-rot=x': did you mean --h36m-root?"),
        (["report", "--zzz"], 2, "no option '--zzz': --help lists the options"),
        (["report", "--a\n::error::"], 2, "no option '--a\\n\\x3a:error\\x3a:'"),
    ],
)
def test_main_names_commands_and_options(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        obtained = main(arguments)
    except SystemExit as ended:
        obtained = int(str(ended.code))

    assert obtained == code
    assert said in "".join(capsys.readouterr())


@pytest.mark.parametrize("command", COMMANDS)
def test_main_help_fits_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


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


def test_main_is_the_console_script() -> None:
    (script,) = entry_points(group="console_scripts", name="convnextpose-check")
    assert script.load() is main
