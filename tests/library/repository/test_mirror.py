"""The tests have the package's rooms: who changes a module knows where it is tried."""

from __future__ import annotations

from tests.support.texts import ROOT

PACKAGE = ROOT / "convnextpose_check"
LIBRARY = ROOT / "tests" / "library"

# Rooms of the tests that are about no module: whole runs, and what the repository says of itself.
OTHER_ROOMS = {"runs", "repository"}

# What has no test file of its own name, and the file that tries it, seen from `tests`.
TRIED_IN = {
    "checkpoints/members": "library/checkpoints/test_unpack.py",
    "checkpoints/pickle_check": "hostile/test_hostile.py",
    "checks/archives": "library/checkpoints/test_provenance.py",
    "checks/dataset": "library/human36m/test_fits.py",
    "checks/network": "library/network/test_plain.py",
    "commands/diagnose": "library/trial/test_earlier.py",
    "commands/download": "library/runs/test_download.py",
    "commands/gate": "library/runs/test_action.py",
    "commands/fingerprint": "library/checkpoints/test_fingerprints.py",
    "commands/link": "library/authors_tree/test_links.py",
    "commands/report": "library/results/test_export.py",
    "commands/terminal": "library/test_wording.py",
    "diagnosis/cause": "library/diagnosis/test_ranking.py",
    "diagnosis/conditions": "library/diagnosis/test_reruns.py",
    "diagnosis/earlier": "library/trial/test_earlier.py",
    "diagnosis/hypotheses": "library/diagnosis/test_ranking.py",
    "diagnosis/means": "library/diagnosis/test_ranking.py",
    "diagnosis/shown_again": "library/diagnosis/test_reruns.py",
    "diagnosis/undone": "library/diagnosis/test_ranking.py",
    "environment": "library/results/test_results_file.py",
    "evaluation/failures": "library/trial/test_networks.py",
    "evaluation/evaluate": "library/evaluation/test_one_pass.py",
    "files/folders": "library/human36m/test_layout.py",
    "files/json_files": "library/human36m/test_annotations.py",
    "human36m/skeleton": "library/human36m/test_geometry.py",
    "miniature/archives": "library/miniature/test_build.py",
    "miniature/body": "library/miniature/test_build.py",
    "miniature/dataset": "library/miniature/test_build.py",
    "miniature/drawing": "library/miniature/test_build.py",
    "miniature/poses": "library/miniature/test_build.py",
    "miniature/postures": "library/miniature/test_build.py",
    "miniature/record": "library/miniature/test_build.py",
    "miniature/room": "library/miniature/test_build.py",
    "miniature/weights": "library/miniature/test_build.py",
    "network/cost": "library/network/test_plain.py",
    "pages/markdown": "library/pages/test_html.py",
    "pages/skeletons": "library/pages/test_html.py",
    "paths": "library/files/test_whole.py",
    "plugin/configure": "library/runs/test_run.py",
    "plugin/interrupts": "library/test_interrupts.py",
    "plugin/recording": "library/runs/test_run.py",
    "plugin/subjects": "library/runs/test_gate.py",
    "results/earlier_files": "library/results/test_results_file.py",
    "results/per_sample": "library/results/test_examples.py",
    "results/schema": "library/results/test_results_file.py",
    "settings/options": "library/settings/test_read.py",
    "trial/diagnosis": "library/trial/test_earlier.py",
    "trial/files": "library/runs/test_download.py",
    "trial/log": "library/test_wording.py",
    "trial/once": "library/trial/test_networks.py",
    "trial/preflight": "validation/test_preflight.py",
}


def modules() -> set[str]:
    """Every module of the package, as ``room/module``."""
    found = (p.relative_to(PACKAGE).with_suffix("").as_posix() for p in PACKAGE.rglob("*.py"))
    return {name for name in found if not name.endswith("__init__")}


def named_after(test: str) -> set[str]:
    """The modules that a test file is named after: ``pages/html`` for ``pages/html_browser``."""
    return {name for name in modules() if test == name or test.startswith(f"{name}_")}


def files_about_modules() -> set[str]:
    """Every test file about a module, as ``room/name`` without ``test_``."""
    found = (p.relative_to(LIBRARY).with_suffix("") for p in LIBRARY.rglob("test_*.py"))
    return {
        name.with_name(name.name.removeprefix("test_")).as_posix()
        for name in found
        if name.parts[0] not in OTHER_ROOMS
    }


def test_every_module_has_its_test_file_or_stands_in_the_table() -> None:
    own = {module for test in files_about_modules() for module in named_after(test)}
    assert own.isdisjoint(TRIED_IN), "these have a file of their own now"
    assert own | set(TRIED_IN) == modules()


def test_every_test_file_is_named_after_a_module() -> None:
    assert {test for test in files_about_modules() if not named_after(test)} == set()


def test_what_the_table_names_is_there() -> None:
    assert {test for test in TRIED_IN.values() if not (ROOT / "tests" / test).is_file()} == set()
