"""Settings of a protocol and of the knob data_fraction, from the study to what a cell stores."""

import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run

from junkdna.compress import masks
from junkdna.compress.scope import prunable
from junkdna.data.tokens_file import read_tokens
from junkdna.errors import UserError
from junkdna.evaluate.scores import loglikelihood, similarity
from junkdna.models.load import load_plain
from junkdna.run import cell as cell_module
from junkdna.run.cell import run_cell
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import Cell
from junkdna.study.load import resolve
from junkdna.study.study import Resolved
from junkdna.train import finetune

CHAT = "{% for m in messages %}First: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}Second:\n{% endif %}"
PHRASES = {
    **toy.HUES_TASK, "name": "phrases", "title": "Phrases",
    "columns": {**toy.HUES_TASK["columns"], "choices": ["{right} day", "{w1}", "a good {w2} .", "{w3}"]},
}  # fmt: skip
MAGNITUDE, DENSE = [{"method": "magnitude", "sparsity": 0.5}], [{"method": "magnitude", "sparsity": 0}]
FRACTIONS = {"random": {}, "first": {"subset": "first"}, "steps": {"match": "steps"},
             "first_steps": {"subset": "first", "match": "steps"}}  # fmt: skip
STUDY = {
    "study": "settings",
    "models": {"tiny": {"kind": "encoder", "local": "model"}, "llm": {"kind": "decoder", "local": "decoder"},
               "chat": {"kind": "decoder", "local": "chat"}},
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("mood", "hues", "named", "alike", "phrases")},
    "protocols": {
        "sum": {}, "tokens": {"length_normalization": "token"}, "chars": {"length_normalization": "character"},
        "half": {"dtype": "bfloat16"}, "chat": {"chat_template": True}, "plain": {}, **FRACTIONS,
    },
    "experiments": {
        **{by: {"title": by, "models": ["llm"], "tasks": ["phrases"], "compressions": MAGNITUDE, "protocol": by}
           for by in ("sum", "tokens", "chars")},
        **{by: {"title": by, "models": ["llm", "tiny"], "tasks": ["hues"], "knobs": {"context": ["passage"]},
                "compressions": MAGNITUDE, "protocol": by} for by in ("plain", "half")},
        **{f"trained_{by}": {"title": by, "models": ["tiny"], "tasks": ["alike"], "compressions": DENSE,
                             "transfer": ["dense"], "protocol": by} for by in ("plain", "half")},
        **{f"chat_{by}": {"title": by, "models": ["chat"], "tasks": ["hues", "alike", "named"], "compressions": DENSE,
                          "protocol": by} for by in ("plain", "chat")},
        **{f"fraction_{by}": {"title": by, "models": ["tiny"], "tasks": ["mood"], "compressions": MAGNITUDE,
                              "knobs": {"data_fraction": [25, 50, 100]}, "transfer": ["sparse", "dense_freeze"],
                              "seeds": [0, 1], "protocol": by} for by in FRACTIONS},
    },
    "bootstrap": 100,
}  # fmt: skip


@pytest.fixture(scope="module")
def resolved(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """The study above with every tokens file made, as the working folder; its cells are not run."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("settings") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree("decoder", "chat")
        tokenizer = AutoTokenizer.from_pretrained("chat")
        tokenizer.chat_template = CHAT
        tokenizer.save_pretrained("chat")
        toy.write_yaml(Path("tasks/phrases.yaml"), PHRASES)
        study = resolve(STUDY, "test")
        toy_run.prepare(study)
        yield study


def cells_of(resolved: Resolved, experiment: str) -> list[Cell]:
    return grid.expand(resolved)[experiment]


def tokens(cell: Cell, role: str = "evaluate") -> pl.DataFrame:
    return pl.from_arrow(read_tokens(Path(cell.tokens_path(role))))


def row_of(cell: Cell, resolved: Resolved) -> tuple[dict, pl.DataFrame]:
    """A cell's row, and its examples."""
    row = run_cell(toy_run.settings_of(cell, resolved), "cpu").to_pylist()[0]
    return row, pl.DataFrame(row["examples"], infer_schema_length=None)


# --- normalize --------------------------------------------------------------------------------------------------------


def test_a_decoder_cell_divides_by_what_its_protocol_says(resolved):
    """Margins of a pruned model against log-likelihoods taken, divided and compared here."""
    margins = {}
    for by in ("sum", "tokens", "chars"):
        cell = cells_of(resolved, by)[1]
        assert cell.compression.method == "magnitude"
        rows = tokens(cell).to_dicts()
        model = load_plain(Path(cell.model_folder), "decoder")
        prunables = prunable(model)
        masks.apply_masks(prunables, {name: result.mask for name, result in cell_module.computed(cell, prunables)})
        options = [row["options"] for row in rows]
        raw = loglikelihood(model, [row["query"] for row in rows], options, [[0] * 4] * len(rows), "cpu")
        lengths = {
            "sum": [[1] * 4] * len(rows), "tokens": [[len(option) for option in row] for row in options],
            "chars": [row["option_characters"] for row in rows],
        }[by]  # fmt: skip
        wanted = []
        for scores, length, row in zip(raw, lengths, rows, strict=True):
            divided = scores / np.array(length)
            wanted.append(divided[row["answer"]] - np.delete(divided, row["answer"]).max())
        margins[by] = row_of(cell, resolved)[1]["margin"].to_numpy()
        np.testing.assert_allclose(margins[by], wanted, atol=1e-5)
    assert not np.allclose(margins["sum"], margins["chars"], atol=1e-2)
    assert not np.allclose(margins["tokens"], margins["chars"], atol=1e-2)


# --- dtype ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["llm", "tiny"])
@pytest.mark.parametrize("place", [0, 1])
def test_bfloat16_scores_are_near_those_of_float32(resolved, model, place):
    pair = [[c for c in cells_of(resolved, by) if c.model == model][place] for by in ("plain", "half")]
    full, half = (np.stack(row_of(cell, resolved)[1]["scores"].to_list()) for cell in pair)
    assert not np.array_equal(full, half)
    np.testing.assert_allclose(half, full, atol=0.15 if model == "llm" else 0.02)
    assert np.ptp(full) > (1.5 if model == "llm" else 0.1)


def test_bfloat16_scores_are_those_of_a_checkpoint_loaded_in_bfloat16(resolved):
    """As transformers loads it: rotary frequencies stay in float32."""
    from transformers import AutoModel, AutoModelForCausalLM

    for cell in (c for c in cells_of(resolved, "half") if c.compression.method == "dense"):
        loader = AutoModelForCausalLM if cell.model == "llm" else AutoModel
        model = loader.from_pretrained(cell.model_folder, dtype=torch.bfloat16).eval()
        rows = tokens(cell).to_dict(as_series=False)
        if cell.model == "llm":
            wanted = loglikelihood(model, rows["query"], rows["options"], rows["option_starts"], "cpu")
        else:
            wanted = similarity(model, rows["query"], rows["options"], "cpu")
        found = row_of(cell, resolved)[1]["scores"].to_list()
        np.testing.assert_array_equal(np.stack(found), np.stack(wanted))


def test_bfloat16_is_for_scoring_alone(resolved):
    """Weights are pruned and trained in float32."""
    plain, half = (cells_of(resolved, f"trained_{by}")[0] for by in ("plain", "half"))
    assert row_of(plain, resolved)[1].equals(row_of(half, resolved)[1])
    cells = [cells_of(resolved, by)[1] for by in ("plain", "half")]
    assert row_of(cells[0], resolved)[0]["achieved_sparsity"] == row_of(cells[1], resolved)[0]["achieved_sparsity"]


# --- chat_template ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["hues", "alike", "named"])
def test_a_chat_template_changes_the_prompt_and_nothing_else(resolved, task):
    """Shots are turns, the question is the last message of the user; the answer follows the template's line break, so
    it begins without a blank."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained("chat")
    plain, chat = (
        next(tokens(c) for c in cells_of(resolved, f"chat_{by}") if c.task == task) for by in ("plain", "chat")
    )
    moved = ["query", "second_start", "options"]
    assert plain.drop(moved).equals(chat.drop(moved))
    for before, after in zip(plain.to_dicts(), chat.to_dicts(), strict=True):
        *ahead, asked = tokenizer.decode(before["query"]).split("\n\n")
        said = [{"role": "system", "content": f"{part}\n\n"} for part in ahead if "Answer:" not in part]
        for question, answer in (part.rsplit(": ", 1) for part in ahead if "Answer:" in part):
            said += [{"role": "user", "content": f"{question}:"}, {"role": "assistant", "content": answer}]
        said.append({"role": "user", "content": asked})
        wanted = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        assert tokenizer.decode(after["query"]) == wanted
        assert (wanted[:7], wanted[-9:]) == ("First: ", "\nSecond:\n")
        assert after["second_start"] == len(after["query"])
        for one, other in zip(before["options"] or [], after["options"] or [], strict=True):
            assert tokenizer.decode(one) == f" {tokenizer.decode(other)}"


def test_a_chat_template_reaches_the_scores(resolved):
    for task in ("hues", "alike", "named"):
        plain, chat = (
            next(row_of(c, resolved)[1] for c in cells_of(resolved, f"chat_{by}") if c.task == task)
            for by in ("plain", "chat")
        )
        assert plain["id"].equals(chat["id"])
        given = "text" if task == "named" else "scores"
        assert not plain[given].equals(chat[given])


def test_a_model_without_a_chat_template_is_refused(resolved):
    cell = cells_of(resolved, "chat_chat")[0]
    settings = study_settings.tokens_file_settings("llm", cell.task, (), "chat", "evaluate", resolved)
    file = toy_run.examples_file(cell.task)
    with pytest.raises(UserError, match="this model's tokenizer has no chat template"):
        toy_run.jobs.tokenize(Path("x.arrow"), settings, toy_run.manifest("llm"), file, None)
    assert not Path("x.arrow").exists()


# --- data_fraction ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(resolved) -> dict[str, dict]:
    """Every cell of the four ways to take a fraction: its row, and the rows that the training was given."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        given = []
        tune = finetune.fine_tune
        patch.setattr(finetune, "fine_tune", lambda *args: given.append(args[4]) or tune(*args))
        for by in FRACTIONS:
            for cell in cells_of(resolved, f"fraction_{by}"):
                row, _ = row_of(cell, resolved)
                found[cell.key] = {"cell": cell, "by": by, "row": row, "data": given.pop()}
    return found


def percent(cell: Cell) -> int:
    return dict(cell.knobs).get("data_fraction", 100)


def rows_of(run: dict) -> list[tuple]:
    """Rows of a training: token ids, start of a second text, class. Some occur twice in the data."""
    columns = run["data"].columns
    return [*zip(map(tuple, columns["query"]), columns["second_start"], columns["answer"], strict=True)]


def all_rows(run: dict) -> list[tuple]:
    table = tokens(run["cell"], "train")
    return [*zip(map(tuple, table["query"].to_list()), table["second_start"], table["answer"], strict=True)]


def test_a_fraction_trains_on_that_many_rows_and_says_so(trained):
    for run in trained.values():
        wanted = {25: 16, 50: 32, 100: 64}[percent(run["cell"])]
        assert run["row"]["n_train"] == len(rows_of(run)) == wanted
        assert Counter(rows_of(run)) <= Counter(all_rows(run))
        assert run["data"].full_rows == 64


def test_steps_follow_the_epochs_or_stay_as_for_all_rows(trained):
    """Batches of 16, two epochs."""
    for run in trained.values():
        rows = 64 if "steps" in run["by"] else run["row"]["n_train"]
        assert run["row"]["steps"] == 2 * math.ceil(rows / 16)


def test_first_is_the_head_of_the_source(trained):
    for run in trained.values():
        if "first" in run["by"]:
            positions = tokens(run["cell"], "train")["position"].to_list()
            assert positions != sorted(positions), "the file's order would do"
            earliest = sorted(range(64), key=lambda k: positions[k])[: run["row"]["n_train"]]
            assert rows_of(run) == [all_rows(run)[k] for k in sorted(earliest)]


def test_random_is_nested_stratified_by_seed_and_one_for_all_modes(trained):
    groups: dict[tuple, set[tuple]] = {}
    for run in trained.values():
        if "first" not in run["by"]:
            groups.setdefault((run["cell"].seed, percent(run["cell"])), set()).add(tuple(rows_of(run)))
    assert all(len(group) == 1 for group in groups.values()), "compressions, modes and ways to count steps share rows"
    kept = {key: next(iter(group)) for key, group in groups.items()}
    everything = all_rows(next(iter(trained.values())))
    share = Counter(label for *_, label in everything)
    for seed in (0, 1):
        assert Counter(kept[seed, 25]) < Counter(kept[seed, 50]) < Counter(kept[seed, 100])
        assert [*kept[seed, 100]] == everything
        for part in (25, 50):
            count = Counter(label for *_, label in kept[seed, part])
            assert all(abs(count[label] - share[label] * part / 100) < 1 for label in share)
    assert kept[0, 50] != kept[1, 50]


def test_a_fraction_that_loses_a_class_is_refused_before_the_model_is_read(resolved, monkeypatch):
    study = {
        **STUDY,
        "experiments": {"x": {**STUDY["experiments"]["fraction_random"], "knobs": {"data_fraction": [1]}}},
    }
    few = resolve(study, "test")
    cell = cells_of(few, "x")[1]
    monkeypatch.setattr(cell_module, "_load", lambda *_: pytest.fail("the model was read"))
    with pytest.raises(UserError, match=r"data_fraction 1 keeps 1 of 64 train rows .*none of class [01]"):
        row_of(cell, few)


def test_fractions_share_their_encoded_files(trained):
    for run in trained.values():
        folder = Path(run["cell"].tokens_path("train")).parent
        assert folder == Path(f"results/tokens/tiny/mood/plain/{run['by']}")
    examples = pq.read_table(toy_run.examples_file("mood", "train"))
    assert examples.num_rows == 64
