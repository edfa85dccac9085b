"""A repository in which every file that Python or pytest might run creates a marker file."""

from pathlib import Path

MODULES = (
    "conftest", "convnextpose_check/__init__", "convnextpose_check/__main__", "fixtures/__init__",
    "json", "numpy", "pip", "pytest", "random", "sitecustomize",
    "tests/__init__", "tests/conftest", "torch", "usercustomize", "venv",
)  # fmt: skip
"""Modules with the name of one of the suite, of a package or of the standard library."""

SETTINGS = {
    "pytest.ini": "[pytest]\naddopts = -p of_pytest_ini\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-p of_pyproject"\n',
    "setup.cfg": "[tool:pytest]\naddopts = -p of_setup_cfg\n",
    "tox.ini": "[pytest]\naddopts = -p of_tox_ini\n",
}
PLUGINS = [
    f"of_{source}" for source in "pytest_ini pyproject setup_cfg tox_ini addopts plugins".split()
]
ENVIRONMENT = {"PYTEST_ADDOPTS": "-p of_addopts", "PYTEST_PLUGINS": "of_plugins"}
"""Variables that the caller's workflow may set, besides ``PYTHONPATH``."""


def write_hostile_files(repository: Path, marks: Path) -> dict[str, str]:
    """Write files that, if run, create ``marks / NAME`` and exit with code 0.

    Returns the environment variables that let Python and pytest run more of them.
    """
    marks.mkdir(exist_ok=True)
    repository.mkdir(exist_ok=True)
    for name in (*MODULES, *PLUGINS):
        path = repository / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(make_marker_code(marks, name) + "raise SystemExit(0)\n")
    for name, text in SETTINGS.items():
        (repository / name).write_text(text)
    line = make_marker_code(marks, "pth").replace("\n", "; ")
    (repository / "hostile.pth").write_text(f"import sys; {line}\n")
    return ENVIRONMENT | {"PYTHONPATH": str(repository)}


def make_marker_code(marks: Path, name: str) -> str:
    return f"open({str(marks / name.replace('/', '.'))!r}, 'w').close()\n"
