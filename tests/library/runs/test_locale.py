"""A run in a locale whose encoding lacks most characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from convnextpose_check.paths import Outputs
from tests.support.texts import ROOT

ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_run_in_the_c_locale_ends_as_in_any_other(inputs: Path, tmp_path: Path) -> None:
    """The path of the results has an accent, which Python holds as bytes in this locale."""
    out = tmp_path / "résultats"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}

    result = subprocess.run(
        [
            sys.executable, "-m", "pytest", "tests/validation/test_mpjpe.py",
            "-p", "no:cacheprovider", "-p", "tests.support.small_facts_plugin", "-m", "gpu",
            "--device=cpu", "--gate=none", "-k", "every_sample",
            f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
            f"--variants-file={inputs / 'own.json'}", f"--results-dir={out}",
        ],
        cwd=ROOT,
        env=environment | ASCII_ONLY,
        capture_output=True,
        encoding="ascii",
        errors="replace",
        check=False,
    )  # fmt: skip

    assert "1 passed" in result.stdout, result.stdout + result.stderr
    assert "UnicodeEncodeError" not in result.stdout + result.stderr
    assert Outputs(out).results.is_file()
    assert "✗" in Outputs(out).markdown.read_text(encoding="utf-8")
    assert str(out) in Outputs(out).results.read_text(encoding="utf-8")
