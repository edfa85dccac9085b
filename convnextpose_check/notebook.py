"""The Kaggle notebook: three cells that install the suite, run the gate and show its report.

``python -m convnextpose_check.notebook`` writes ``fixtures/kaggle.ipynb`` again.
"""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK_FILE = Path(__file__).parents[1] / "fixtures" / "kaggle.ipynb"

INSTALL = """\
# 1. Install. With Settings, Internet on, from SOURCE; else from a copy of the repository that is
# attached as a data set, with wheels of what Kaggle lacks.
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

SOURCE = "https://github.com/YOUR-FORK/convnextpose-check"
INPUT, WORKING = Path("/kaggle/input"), Path("/kaggle/working")


# Only near the top of the data sets: walking through all of Human3.6M takes minutes.
def below(pattern):
    depths = ["*/", "*/*/", "*/*/*/", "datasets/*/*/*/"]
    return [path for depth in depths for path in INPUT.glob(depth + pattern)]


suite = WORKING / "convnextpose-check"
attached = next(iter(below("convnextpose_check/variants.json")), None)
offline = []
if attached:
    shutil.copytree(attached.parents[1], suite, dirs_exist_ok=True)
    folders = sorted({wheel.parent for wheel in below("*.whl")})
    offline = ["--no-index", *(f"--find-links={folder}" for folder in folders)]
else:
    subprocess.run(["git", "clone", "-q", SOURCE, suite], check=True)
needs = tomllib.loads((suite / "pyproject.toml").read_text())["project"]["dependencies"]
subprocess.run([sys.executable, "-m", "pip", "install", "-q", *offline, *needs], check=True)
"""

RUN = """\
# 2. Run. Data and archives are found below /kaggle/input, whatever their folders are called.
command = [sys.executable, "-m", "pytest", "-m", "gpu", "--color=no"]
command += [f"--h36m-root={INPUT}", f"--checkpoints={INPUT}", f"--results-dir={WORKING / 'output'}"]
streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
with subprocess.Popen(command, cwd=suite, text=True, **streams) as gate:
    for line in gate.stdout:
        print(line, end="")
"""

SHOW = """\
# 3. Show. A gate that failed fails "Save & Run All", but only after its report is shown.
from html import escape

from IPython.display import HTML, Image, Markdown, display

result, report = WORKING / "output" / "result", WORKING / "output" / "report.html"
if (result / "BENCHMARK_REPORT.md").is_file():
    display(Markdown((result / "BENCHMARK_REPORT.md").read_text().split("![")[0]))
    display(Image(str(result / "benchmark_comparison.png"), width=800))
page = escape(report.read_text(), quote=True)
display(HTML(f'<iframe srcdoc="{page}" width="100%" height="900" title="Report"></iframe>'))
if gate.returncode:
    raise SystemExit(f"The gate failed with exit code {gate.returncode}: see the report above.")
"""


def notebook() -> str:
    """The notebook as JSON, with a GPU asked for."""
    cells: list[dict[str, object]] = [
        {
            "cell_type": "code",
            "id": name,
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source.rstrip("\n").splitlines(keepends=True),
        }
        for name, source in (("install", INSTALL), ("run", RUN), ("show", SHOW))
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    kaggle = {"accelerator": "nvidiaTeslaT4", "isGpuEnabled": True, "isInternetEnabled": True}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "kaggle": kaggle},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    NOTEBOOK_FILE.write_text(notebook(), encoding="utf-8")
