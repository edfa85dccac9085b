"""A printed result is read whatever surrounds it, and what it rests on is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from convnextpose_check.__main__ import main
from convnextpose_check.explain.judgement import judge_counts
from convnextpose_check.explain.other_figures import figure_sentences, read_other_figures
from convnextpose_check.explain.printed_log import MAX_GAP, PrintedRun, printed_runs
from convnextpose_check.human36m.samples import DatasetFacts, read_facts
from convnextpose_check.variants import Catalogue, Protocol

LOGS: list[dict[str, Any]] = msgspec.json.decode(
    (Path(__file__).parents[3] / "fixtures" / "public_logs.json").read_bytes()
)["logs"]
PROTOCOL_2, PROTOCOL_1 = LOGS[0], LOGS[-1]


@pytest.fixture(scope="module")
def facts() -> DatasetFacts:
    return read_facts()


def text(
    log: dict[str, Any], total: float | str | None = None, protocol: int = 0, **means: float | str
) -> str:
    """What the authors' script prints of these figures."""
    protocol = protocol or log["protocol"]
    metric = "PA MPJPE" if protocol == 1 else "MPJPE"
    shown = {**log["per_action_mm"], **means}
    total = log["total_mm"] if total is None else total
    actions = "".join(f"{name}: {float(mm):.2f} " for name, mm in shown.items())
    return f"Protocol {protocol} error ({metric}) >> tot: {float(total):.2f}\n{actions}\n"


def only(printed: str) -> PrintedRun:
    (run,) = printed_runs(printed)
    return run


def weighted(log: dict[str, Any], counts: dict[str, int]) -> float:
    """The total that these counts give."""
    means = log["per_action_mm"]
    total: float = sum(counts[name] * means[name] for name in counts) / sum(counts.values())
    return total


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["source"])
def test_official_counts_give_the_totals_of_public_logs(
    log: dict[str, Any], facts: DatasetFacts
) -> None:
    run = only(text(log))

    judgement = judge_counts(run, facts)

    assert judgement.kind == "agrees"
    assert judgement.recomputed_mm == pytest.approx(log["total_mm"], abs=0.005)
    assert (log["protocol"], log["total_mm"]) == (run.protocol, run.total.mm)
    assert log["per_action_mm"] == {name: mean.mm for name, mean in run.per_action.items()}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["source"])
def test_mean_of_actions_is_told(log: dict[str, Any], facts: DatasetFacts) -> None:
    means = log["per_action_mm"].values()

    judgement = judge_counts(only(text(log, total=sum(means) / len(means))), facts)

    assert judgement.kind == "mean-of-actions"
    assert "the total is the mean of the actions, not of the samples" in judgement.sentences[-1]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["source"])
def test_protocol_on_the_line_that_is_not_that_of_the_samples_is_told(
    log: dict[str, Any], facts: DatasetFacts
) -> None:
    other = 3 - log["protocol"]

    judgement = judge_counts(only(text(log, protocol=other)), facts)

    assert judgement.kind == "protocol"
    assert f"the counts of protocol {log['protocol']} fit" in " ".join(judgement.sentences)


def test_metric_that_does_not_belong_to_the_protocol_is_told(facts: DatasetFacts) -> None:
    edited = text(PROTOCOL_1).replace("(PA MPJPE)", "(MPJPE)")

    judgement = judge_counts(only(edited), facts)

    assert judgement.kind == "protocol"
    assert "protocol 1 is printed with MPJPE" in judgement.sentences[0]
    assert judgement.sentences[1].startswith("agrees: ")


def test_subject_9_alone_is_told(facts: DatasetFacts) -> None:
    both, eleven = facts.protocols[2].per_action, facts.protocols[1].per_action
    nine = {name: both[name] - eleven[name] for name in both}

    judgement = judge_counts(only(text(PROTOCOL_2, total=weighted(PROTOCOL_2, nine))), facts)

    assert judgement.kind == "subset"
    assert judgement.sentences[-1] == "a subset: the 5,012 samples of subject 9 alone fit"


@pytest.mark.parametrize("log", LOGS[:-1], ids=lambda log: log["source"])
def test_displaced_takes_left_out_are_told(log: dict[str, Any], facts: DatasetFacts) -> None:
    assert facts.displaced is not None
    counts = dict(facts.protocols[2].per_action)
    for take in facts.displaced.takes:
        counts[take.action] -= take.samples

    judgement = judge_counts(only(text(log, total=weighted(log, counts))), facts)

    assert judgement.kind != "agrees"
    assert (
        "a subset: without the displaced takes S9 Greeting 2, S9 SittingDown 2, S9 Waiting 1"
        " the other 8,399 fit"
    ) in judgement.sentences


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["source"])
@pytest.mark.parametrize("action", ["Directions", "SittingDown", "Walking"])
def test_action_of_which_only_a_part_was_measured_is_named(
    log: dict[str, Any], action: str, facts: DatasetFacts
) -> None:
    counts = dict(facts.protocols[log["protocol"]].per_action)
    counts[action] //= 3

    judgement = judge_counts(only(text(log, total=weighted(log, counts))), facts)

    if judgement.kind == "agrees":  # where the action's mean is the total, its count moves nothing
        assert abs(log["per_action_mm"][action] - log["total_mm"]) < 0.5
        return
    assert judgement.kind == "subset"
    named = re.search(rf"{action} (\d+) to (\d+) of", judgement.sentences[-1])
    assert named is not None
    assert int(named[1]) <= counts[action] <= int(named[2])


def test_ways_that_cannot_be_told_apart_are_all_told(facts: DatasetFacts) -> None:
    alike = dict.fromkeys(PROTOCOL_2["per_action_mm"], 50.0) | {"Eating": 60.0}
    log = {**PROTOCOL_2, "per_action_mm": alike}
    total = weighted(log, dict.fromkeys(alike, 1))
    facts = replace(
        facts,
        protocols={
            **facts.protocols,
            1: replace(facts.protocols[1], per_action=dict.fromkeys(alike, 9)),
        },
    )

    judgement = judge_counts(only(text(log, total)), facts)

    assert "more than one way to have come to it fits:" in judgement.sentences
    assert any(sentence.startswith("protocol confused") for sentence in judgement.sentences)
    assert any("the mean of the actions" in sentence for sentence in judgement.sentences)


def test_actions_without_samples_are_a_subset_that_fits(facts: DatasetFacts) -> None:
    counts = dict(facts.protocols[2].per_action)
    del counts["Eating"], counts["WalkDog"]
    total = weighted(PROTOCOL_2, counts)

    judgement = judge_counts(only(text(PROTOCOL_2, total, Eating="nan", WalkDog="nan")), facts)

    assert judgement.kind == "subset"
    (sentence,) = judgement.sentences
    assert sentence.startswith(
        "a subset: no samples of Eating, WalkDog; weighted with the official"
    )
    assert judgement.recomputed_mm == pytest.approx(total, abs=0.005)


def test_action_cut_from_the_text_under_the_old_total_does_not_agree(facts: DatasetFacts) -> None:
    judgement = judge_counts(only(text(PROTOCOL_2, SittingDown="nan")), facts)

    assert judgement.kind == "subset"
    assert "no samples of SittingDown" in judgement.sentences[0]
    assert "does not agree" in judgement.sentences[1]


@pytest.mark.parametrize(
    ("total", "why"),
    [
        pytest.param(49.75, "the total does not", id="below-every-action"),
        pytest.param(55.0, "no count of one action explains it", id="between"),
    ],
)
def test_total_that_no_counts_give_is_told(total: float, why: str, facts: DatasetFacts) -> None:
    judgement = judge_counts(only(text(PROTOCOL_2, total)), facts)

    assert judgement.kind == "unexplained"
    assert why in judgement.sentences[-1]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log["source"])
@pytest.mark.parametrize("changed_mm", [-0.05, 0.05])
def test_total_that_is_edited_by_little_does_not_agree(
    log: dict[str, Any], changed_mm: float, facts: DatasetFacts
) -> None:
    judgement = judge_counts(only(text(log, total=log["total_mm"] + changed_mm)), facts)

    assert judgement.kind != "agrees"


def test_figures_rounded_to_one_digit_agree_as_far_as_they_go(facts: DatasetFacts) -> None:
    rounded = re.sub(r"\d+\.\d\d", lambda found: f"{float(found[0]):.1f}", text(PROTOCOL_2))

    assert judge_counts(only(rounded), facts).kind == "agrees"


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        pytest.param("Protocol 2 error (MPJPE) >> tot: 51.05\n", "cannot be recomputed", id="cut"),
        pytest.param(text(PROTOCOL_2, total="nan"), "not a number", id="nan"),
    ],
)
def test_what_cannot_be_recomputed_is_no_agreement(
    printed: str, why: str, facts: DatasetFacts
) -> None:
    judgement = judge_counts(only(printed), facts)

    assert judgement.kind == "no-figures"
    assert judgement.recomputed_mm is None
    assert why in judgement.sentences[0]


def prefixed(printed: str) -> str:
    return "".join(f"2026-11-24 21:09:29,123 [INFO] {line}\n" for line in printed.splitlines())


SURROUNDED: dict[str, Callable[[str], str]] = {
    "progress": lambda log: f"\r 99%|####9| 543/544 [01:02<00:00]\r100%\n{log}saved\n",
    "colours": lambda log: f"\x1b[92m11-24 21:09:29\x1b[0m {log}\x1b[0m",
    "colours-without-escape": lambda log: log.replace("Directions", "[0mDirections"),
    "prefixes": prefixed,
    "carriage-returns": lambda log: log.replace("\n", "\r\n"),
    "an-action-a-line": lambda log: prefixed(re.sub(r" (?=[A-Z]\w+: )", "\n", log)),
    "a-line": lambda log: log.replace("\n", " "),
    "notebook": lambda log: msgspec.json.encode({"text": log.splitlines(keepends=True)}).decode(),
    "escaped": lambda log: log.replace("\n", "\\n").replace(">", "\\u003e"),
    "web-page": lambda log: log.replace(">>", "&gt;&gt;"),
}  # fmt: skip


@pytest.mark.parametrize("form", SURROUNDED)
def test_what_surrounds_the_figures_changes_nothing(form: str) -> None:
    expected = only(text(PROTOCOL_2))

    obtained = only(SURROUNDED[form](text(PROTOCOL_2)))

    assert expected.total == obtained.total
    assert expected.per_action == obtained.per_action


def test_each_run_of_a_file_is_told_once_with_its_line() -> None:
    three = [text(log) for log in LOGS[:3]]
    by_logger = [f"\x1b[92m11-24 21:09:29\x1b[0m {printed}" for printed in three]

    runs = printed_runs("start\n" + "".join(three) + "".join(by_logger))

    assert [(run.line, run.times) for run in runs] == [(2, 2), (4, 2), (6, 2)]
    assert [log["total_mm"] for log in LOGS[:3]] == [run.total.mm for run in runs]


def test_figures_far_behind_a_total_are_not_its_means() -> None:
    total, actions = text(PROTOCOL_2).splitlines()

    assert only(f"{total}\n{'.' * MAX_GAP}{actions}\n").per_action == {}


def figures(error_mm: float, protocol: Protocol, catalogue: Catalogue) -> str:
    return "\n".join(figure_sentences(error_mm, protocol, catalogue, read_other_figures()))


@pytest.mark.parametrize("variant", ["XS", "S", "M", "L"])
def test_papers_figure_is_recognised(variant: str, catalogue: Catalogue) -> None:
    figure = catalogue[variant].paper.mpjpe_mm
    assert figure is not None

    told = figures(figure.value, 2, catalogue)

    assert told.startswith(f"like {variant} {figure.value:.2f} ({figure.source}), +0.00 mm")


@pytest.mark.parametrize(
    ("protocol", "values_mm"), [(2, (52.0, 45.0, 44.6, 42.3)), (1, (36.5, 33.2, 31.2, 29.8))]
)
def test_figures_in_circulation_are_called_not_the_papers(
    protocol: Protocol, values_mm: tuple[float, ...], catalogue: Catalogue
) -> None:
    for variant, value_mm in zip(("XS", "S", "M", "L"), values_mm, strict=True):
        first = figures(value_mm, protocol, catalogue).splitlines()[0]

        assert first.startswith(f"like {variant} {value_mm:.2f} (config_variants.py of ")
        assert "in circulation and is not the paper's" in first


def test_papers_figure_is_never_called_anothers(catalogue: Catalogue) -> None:
    for protocol in (1, 2):
        for variant in catalogue.variants:
            if (figure := variant.paper.error_mm(protocol)) is not None:
                first = figures(figure.value, protocol, catalogue).splitlines()[0]
                assert "circulation" not in first


def test_neighbour_of_the_papers_tables_is_named(catalogue: Catalogue) -> None:
    assert "like Moon 53.30 (paper, table 5), +0.10 mm" in figures(53.4, 2, catalogue)


def test_what_is_like_nothing_is_told_with_the_nearest(catalogue: Catalogue) -> None:
    assert figures(74.17, 2, catalogue).startswith(
        "far from every published figure; the nearest is XS 56.61"
    )
    assert figures(60.26, 2, catalogue).startswith("nearest is XS 56.61")


def test_figure_of_the_other_protocol_is_told(catalogue: Catalogue) -> None:
    told = figures(49.75, 1, catalogue)

    assert "protocol confused? 49.75 is the MPJPE of L under protocol 2" in told
    assert "protocol confused" not in figures(49.75, 2, catalogue)


def test_command_tells_all_runs_and_exits_by_their_agreement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "test_logs.txt"
    log.write_text("".join(map(text, LOGS)) + text(LOGS[0]))
    assert main(["explain", str(log)]) == 0
    told = capsys.readouterr().out
    assert told.count("agrees: ") == len(LOGS)
    assert "line 1: protocol 2, MPJPE 74.17 mm, printed 2 times\n" in told

    log.write_text(text(LOGS[1]) + text(LOGS[0], total=73.26))
    assert main(["explain", str(log)]) == 1
    told = capsys.readouterr().out
    assert "line 3: protocol 2, MPJPE 73.26 mm\n" in told
    assert max(map(len, told.splitlines())) <= 100


def test_redirection_of_powershell_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(text(PROTOCOL_2), encoding="utf-16")

    assert main(["explain", str(log)]) == 0


@pytest.mark.parametrize("content", ["", "Epoch 3 loss: 0.2\n", "Protocol 2 error (MPJPE) >> tot:"])
def test_log_with_nothing_of_the_kind_gets_one_sentence(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.txt"
    log.write_text(content)

    assert main(["explain", str(log)]) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"[no-printed-error] nothing in {log} looks like")
    assert len(captured.err.splitlines()) == 1


def test_log_that_is_no_file_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for log, why in (
        (tmp_path, "it is no regular file"),
        (tmp_path / "x", "there is no such file"),
    ):
        assert main(["explain", str(log)]) == 2
        assert capsys.readouterr().err.startswith(f"[bad-log] the log {log} cannot be used: {why}.")
