"""Name the causes of four faults in 8,695 samples: ``python -m tests.benchmarks.diagnosing``.

Prints the seconds that it takes and the peak of memory in MB. No images are shown again, which
takes its time for a few dozen of them, however many samples there are.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Obtained
from convnextpose_check.diagnosis.hypotheses import HYPOTHESES
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.human36m.samples import read_facts
from tests.support.cases import made_case
from tests.support.processes import peak_bytes

TAKES_OF_AN_ACTION = 25


def faulty(sound: Case) -> dict[str, Case]:
    """The case with four faults by the names of their causes, the last of which nothing undoes."""
    change = {each.name: each.change for each in HYPOTHESES}
    noise_cells = np.random.default_rng(1).normal(0, 2, sound.cells_xyz.shape)
    return {
        "mirrored-joints": change["mirrored-joints"](sound, None),
        "other-frame": replace(change["other-frame"](sound, 1), unknown=None),
        "depth-range": change["depth-range"](sound, 1.25),
        "": replace(sound, cells_xyz=sound.cells_xyz + noise_cells),
    }


def main() -> None:
    """Diagnose, and print what it took."""
    samples = read_facts().protocols[2].samples
    sound = made_case(TAKES_OF_AN_ACTION).take(np.arange(samples))
    assert len(sound.sequences) == samples
    cases = faulty(sound)
    begun = time.perf_counter()
    for name, case in cases.items():
        causes = causes_of(case, Obtained(case.error_mm, case.errors_mm, sound.error_mm))
        assert [cause.name for cause in causes[:1]] == [name] * bool(name)
    seconds = time.perf_counter() - begun
    print(seconds, peak_bytes() / 1e6)  # noqa: T201


if __name__ == "__main__":
    main()
