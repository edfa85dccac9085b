"""Lay Human3.6M out for the authors' own code, with links.

Only for those who run the authors' main/test.py: this suite reads every layout
in place. Makes links in PROJECT_ROOT/data/Human36M to what is found anywhere
below the Kaggle input folder:

  annotations/  the files of subjects 9 and 11
  images/       the sequences of both, one by one
  bbox_root/    RootNet's file, from the input or the authors' repository

The input is only read, the authors' Python files stay as they are. Doing it
again does nothing; links that lead nowhere are mended; where anything else is
in the way, nothing is changed.

--verify reads the annotations of the tree and looks for every test image. With
--kaggle-input it does so after linking, alone it changes nothing. The exit code
is 0 if all is there, 1 if something is broken, 2 if nothing could be linked.

  python -m convnextpose_check link --verify
      --kaggle-input /kaggle/input/human36m
      --project-root /kaggle/working/ConvNeXtPose
"""

from __future__ import annotations

import argparse
from pathlib import Path

from convnextpose_check.commands.telling import tell
from convnextpose_check.errors import ConvNeXtPoseCheckError

SHOWN_PROBLEMS = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the Kaggle guide's setup_kaggle_dataset.py."""
    parser.add_argument(
        "--kaggle-input",
        metavar="DIR",
        type=Path,
        help="folder that Human3.6M is somewhere below, such as /kaggle/input",
    )
    parser.add_argument(
        "--project-root",
        metavar="DIR",
        type=Path,
        help="the authors' repository [default: the current folder]",
    )
    parser.add_argument(
        "--verify",
        metavar="PROJECT_ROOT",
        type=Path,
        nargs="?",
        const=Path(),
        help="look whether all is there; takes the project root as well, as the guide's script did",
    )


def run(options: argparse.Namespace) -> int:
    """Link, verify, or both."""
    if options.kaggle_input is None and options.verify is None:
        raise ConvNeXtPoseCheckError(
            "bad-option",
            "link was not told what to do",
            "Give --kaggle-input DIR to link, --verify to look at links that are there",
        )
    roots = {root for root in (options.project_root, options.verify) if root not in (None, Path())}
    if len(roots) > 1:
        raise ConvNeXtPoseCheckError(
            "bad-option",
            f"--project-root is {options.project_root}, --verify is {options.verify}",
            "Give the folder once; --verify needs none",
        )
    root = roots.pop() if roots else Path()
    if options.kaggle_input is not None:
        _link(options.kaggle_input, root)
    return 0 if options.verify is None else _verify(root)


def _link(source: Path, project_root: Path) -> None:
    from convnextpose_check.authors_tree.links import TREE, make_links, planned_links
    from convnextpose_check.human36m.samples import read_facts

    links, notes = planned_links(source, project_root, read_facts().protocols[2].subjects)
    counts = make_links(links)
    for part in dict.fromkeys(link.path.parent for link in links):
        targets = [link.target for link in links if link.path.parent == part]
        folders = ", ".join(dict.fromkeys(str(target.parent) for target in targets))
        tell(f"{part.name}: {len(targets)} from {folders}")
    for note in notes:
        tell(f"note: {note}")
    done = [f"{counts[how]} {how}" for how in ("made", "mended") if counts[how]]
    tell(
        f"{len(links)} links in {project_root / TREE}:"
        f" {', '.join(done) or 'nothing to do, all were there'}"
    )


def _verify(project_root: Path) -> int:
    from convnextpose_check.authors_tree.verify import verify_tree
    from convnextpose_check.human36m.layout import ROOTNET_FILE
    from convnextpose_check.human36m.samples import read_facts

    verified = verify_tree(project_root, read_facts())
    for count in verified.counts:
        whole = f"; the whole set has {count.published:,}"
        tell(
            f"subject {count.subject}: {count.present:,} of {count.annotated:,} annotated test"
            f" images are there{whole if count.annotated != count.published else ''}"
        )
    if not verified.has_rootnet:
        tell(f"note: no {ROOTNET_FILE}, which only runs with RootNet's boxes read")
    for problem in verified.problems[:SHOWN_PROBLEMS]:
        tell(f"broken: {problem}")
    if (rest := len(verified.problems) - SHOWN_PROBLEMS) > 0:
        tell(f"and {rest} more")
    tell("not complete" if verified.problems else "complete: main/test.py finds all that it reads")
    return 1 if verified.problems else 0
