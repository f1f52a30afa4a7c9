"""Rough times of cells by rates that were measured elsewhere."""

import copy
from pathlib import Path

import pytest
import torch
import toy
import transformers

from junkdna.cli.plan_times import hours
from junkdna.dag import cell_work, measured_rates
from junkdna.dag.cell_work import CellWork, Work
from junkdna.dag.measured_rates import Rate, rates, rough_times
from junkdna.dag.state import Finished, Snapshot
from junkdna.run import gpus
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

WORK = Work(parameters=20e6, trained=3e12, scored=2e12, steps=100)


def rate(**more: object) -> Rate:
    common = {"on": "gpu", "work": "training", "precision": "bfloat16", "engine": "stack", "parameters": 20e6,
              "tokens": 100, "seconds": 0.5, "what": "a step", "card": "a card", "spread": "", "date": "2026-01-01",
              "source": "a test"}  # fmt: skip
    return Rate(**{**common, **more})


@pytest.fixture
def with_rates(monkeypatch: pytest.MonkeyPatch):
    """A function that puts other rates in place of the package's, and the work `WORK` in place of every cell's."""
    monkeypatch.setattr(CellWork, "of", lambda works, cell: WORK)

    def put(*given: Rate) -> None:
        monkeypatch.setattr(measured_rates, "rates", lambda: given)

    return put


def of(cells: str, on: str = "gpu", **protocol: object):
    """Rough times of the trained or untrained cells of the toy study."""
    study = copy.deepcopy(toy.STUDY)
    study["protocols"] = {"default": protocol}
    resolved = resolve(study, "study")
    chosen = [cell for cell in all_cells(resolved) if (cell.transfer != "none") == (cells == "trained")]
    return rough_times(chosen, on, resolved), len(chosen)


def test_a_cell_takes_its_work_over_the_rates_of_training_and_scoring(world: Path, with_rates) -> None:
    training, scoring = rate(), rate(work="scoring", precision="float32", engine="", seconds=0.25)
    with_rates(training, scoring)
    found, count = of("trained", precision="bfloat16", stack=4)  # 4 cells of each of 2 seeds
    assert (found.cells, found.places, found.filled) == (count, 8, 0)
    assert found.seconds[training] == pytest.approx(count * 3e12 * 0.5 / (20e6 * 100 * 3))
    assert found.seconds[scoring] == pytest.approx(count * 2e12 * 0.25 / (20e6 * 100))
    assert found.total_s == sum(found.seconds.values())
    assert not found.unknown
    assert not found.one_by_one


def test_the_rate_nearest_in_parameters_of_as_many_steps_is_taken(world: Path, with_rates) -> None:
    small, large, long = rate(parameters=5e6), rate(parameters=30e6), rate(steps=(101, None))
    with_rates(small, large, long, rate(work="scoring", precision="float32", engine=""))
    found, _ = of("trained", precision="bfloat16")
    assert large in found.seconds
    assert not {small, long} & {*found.seconds}


def test_what_was_not_measured_is_named_and_not_estimated(world: Path, with_rates) -> None:
    with_rates(rate())
    for cells, what in (("trained", "scoring in float32 on a GPU"), ("untrained", "scoring in float32 on a GPU")):
        found, count = of(cells, precision="bfloat16")
        assert (found.cells, found.total_s) == (0, 0)
        assert {reason: len(cells) for reason, cells in found.unknown.items()} == {
            f"no rate measured for {what}": count
        }
    with_rates(rate(work="scoring", precision="float32", engine=""))
    found, count = of("trained", precision="bfloat16")
    assert [*found.unknown] == ["no rate measured for training in bfloat16 on a GPU"]


def test_the_plain_loop_tells_of_unmeasured_stacks_and_of_scoring(world: Path, with_rates) -> None:
    """A scored token is a third of a trained one."""
    plain = rate(precision="float32", engine="plain")
    with_rates(plain)
    found, count = of("trained")
    assert found.one_by_one == {"stacks in float32": count}
    assert found.total_s == pytest.approx(count * (3e12 + 2e12) * 0.5 / (20e6 * 100 * 3))
    assert not of("trained", stack=1)[0].one_by_one
    with_rates(rate(on="cpu", precision="float32", engine="plain"))
    assert not of("trained", on="cpu")[0].one_by_one


def test_texts_that_are_generated_have_no_rate(world: Path) -> None:
    resolved = resolve(copy.deepcopy(toy.SETTINGS), "study")
    cells = [cell for cell in all_cells(resolved) if resolved.tasks[cell.task].kind == "generate"]
    assert cells
    found = rough_times(cells, "cpu", resolved)
    assert {reason: len(each) for reason, each in found.unknown.items()} == {
        "no rate measured for generating text on a CPU": len(cells)
    }


def test_parameters_that_are_not_known_are_named(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CellWork, "of", lambda works, cell: None)
    assert [*of("trained")[0].unknown] == ["the number of parameters of the model is not known yet"]


def test_every_rate_of_the_package_says_what_where_and_when() -> None:
    assert len(rates()) > 5
    for each in rates():
        assert each.on in ("gpu", "cpu")
        assert each.work in ("training", "scoring")
        assert each.engine == "" if each.work == "scoring" else each.engine in ("stack", "plain")
        assert 1e9 < each.per_s < 1e15
        assert all((each.what, each.card, each.spread, each.source))
        assert f"on {each.card}" in str(each)
        assert f"({each.date})" in str(each)
        assert len(str(each)) < 180


def test_hours_of_gpus_are_stated_without_one_and_those_of_its_own_with_one(world: Path, monkeypatch) -> None:
    resolved = resolve(copy.deepcopy(toy.STUDY), "study")
    cells = all_cells(resolved)

    def lines(finished: dict | None = None) -> str:
        left = dict.fromkeys(cells, "missing")
        return "\n".join(hours(resolved, Snapshot(left, finished or {}, {}, {}, 0)))

    assert lines().count("rough:") == 2
    text = lines({cells[0]: Finished(7200.0, 1.0, 0.0, "NVIDIA H100 80GB HBM3")})
    assert "from the wall times of finished cells of this study: 1 on NVIDIA H100 80GB HBM3" in text
    assert "GPU hours" in text
    assert text.count("rough:") == 1  # of the CPU
    monkeypatch.setenv(gpus.FAKE, "0")
    text = lines()
    assert "of a CPU core" not in text
    assert "on this machine (1 GPU(s), 1 cell(s) on each)" in text


def meta(config: str, model: str, **more: object) -> int:
    with torch.device("meta"):
        made = getattr(transformers, model)(getattr(transformers, config)(**more))
    return sum(weight.numel() for weight in made.parameters())


LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
MINI = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("roberta-base", ("RobertaConfig", "RobertaModel", ROBERTA)),
        ("roberta-large", ("RobertaConfig", "RobertaModel", ROBERTA | LARGE)),
        ("bert-base-uncased", ("BertConfig", "BertModel", {})),
        ("bert-large-uncased", ("BertConfig", "BertModel", LARGE)),
        ("all-minilm-l6-v2", ("BertConfig", "BertModel", MINI)),
        ("mpnet-base", ("MPNetConfig", "MPNetModel", {"max_position_embeddings": 514})),
        ("distilbert-base-uncased", ("DistilBertConfig", "DistilBertModel", {})),
        ("gpt2", ("GPT2Config", "GPT2Model", {})),
    ],
)
def test_sizes_of_known_models_are_those_of_transformers(name: str, made: tuple) -> None:
    config, model, more = made
    assert cell_work.known_parameters()[name] == meta(config, model, **more)
