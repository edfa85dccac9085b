"""Link Human3.6M into the authors' repository.

Only needed to run the authors' main/test.py: this suite reads every layout in place. Makes links in
PROJECT_ROOT/data/Human36M to the annotations, image sequences and RootNet's file, which may be
anywhere below the Kaggle input folder. The input folder and the authors' code stay unchanged.
Existing links are kept and broken ones replaced; no other file or folder is changed.

--verify reads the annotations of the tree and looks for every test image, after linking if
--kaggle-input is given; without it, nothing is linked. The exit code is 0 if the tree is complete,
1 if something is missing, 2 if nothing could be linked.

  python -m convnextpose_check link --kaggle-input DIR --project-root DIR
"""

import argparse
from pathlib import Path

from convnextpose_check.authors_tree.links import TREE, make_links, plan_links
from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.commands.terminal import Arguments, long_phase, print_lines
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import load_dataset, read_facts

ARGUMENTS: Arguments = {
    "--kaggle-input": {
        "metavar": "DIR",
        "type": Path,
        "help": "folder with Human3.6M anywhere below it, such as /kaggle/input",
    },
    "--project-root": {
        "metavar": "DIR",
        "type": Path,
        "default": Path(),
        "help": "the authors' repository [default: the current folder]",
    },
    "--verify": {"action": "store_true", "help": "check that the tree is complete"},
}
"""The same options as in the Kaggle guide's setup_kaggle_dataset.py."""


def run(options: argparse.Namespace) -> int:
    """Link, verify, or both."""
    if options.kaggle_input is not None:
        _link(options.kaggle_input, options.project_root)
    if options.verify or options.kaggle_input is None:
        return _verify(options.project_root / TREE)
    return 0


def _link(source: Path, project_root: Path) -> None:
    with long_phase(f"linking Human3.6M below {source}"):
        links = plan_links(source, project_root, read_facts().protocols[2].subjects)
        made = make_links(links)
    print_lines(f"{len(links)} links in {project_root / TREE}, {made} of them new")


def _verify(tree: Path) -> int:
    try:
        with long_phase(f"looking for the test images in {tree}"):
            samples = check_dataset_is_complete(load_dataset(tree, read_facts()))
    except ConvNeXtPoseCheckError as error:
        print_lines(f"not complete: {error.problem}. Link again with --kaggle-input.")
        return 1
    print_lines(f"complete: {samples:,} of {samples:,} test images in {tree}.")
    return 0
