"""The most tokens that a model reads, checked against the models, and that no tokenized row is longer."""

import json
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_tokenizers

from junkdna.cli import jobs
from junkdna.data.tokenizer import LATE_POSITIONS, context_tokens, load_tokenizer
from junkdna.data.tokens_file import read_tokens
from junkdna.errors import UserError
from junkdna.evaluate import greedy, scores
from junkdna.models.load import load_classifier, load_plain
from junkdna.study import settings_from_study as study_settings
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

PLACES = 20
SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
         "max_position_embeddings": PLACES}  # fmt: skip
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": PLACES, "bos_token_id": 0,
        "eos_token_id": 0}  # fmt: skip
EXTRA = {"longformer": {"attention_window": [4]}, "xmod": {"default_language": "en_XX"},
         "luke": {"entity_vocab_size": 9}}  # fmt: skip
OTHERS = ("bert", "electra", "distilbert", "albert", "deberta-v2", "opt", "gpt2")


@pytest.fixture(scope="module")
def unlimited():
    """A tokenizer without a limit: transformers sets 1e30."""
    tokenizer = toy_tokenizers.make("wordpiece")
    assert tokenizer.model_max_length > 1e29
    return tokenizer


def limited(tokens: int) -> object:
    tokenizer = toy_tokenizers.make("wordpiece")
    tokenizer.model_max_length = tokens
    return tokenizer


def config_in(folder: Path, **config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


# --- what configuration and tokenizer say -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*LATE_POSITIONS, *OTHERS])
def test_a_model_reads_exactly_the_stated_number_of_tokens(tmp_path, unlimited, kind):
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(kind, **(GPT2 if kind == "gpt2" else {**SIZES, **EXTRA.get(kind, {})}))
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(tmp_path)
    limit = context_tokens(tmp_path, unlimited)
    assert limit == (PLACES - 2 if kind in LATE_POSITIONS else PLACES)

    @torch.inference_mode()
    def read(tokens: int) -> object:
        ids = torch.full((1, tokens), 7)
        return model(input_ids=ids, attention_mask=torch.ones_like(ids))

    assert read(limit).last_hidden_state.isfinite().all()
    with pytest.raises((IndexError, RuntimeError)):
        read(limit + 1)


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"max_position_embeddings": 512}, 512),
        ({"n_positions": 1024, "n_ctx": 900}, 900),
        ({"max_position_embeddings": None, "n_positions": 64}, 64),
        ({"max_position_embeddings": -1}, None),
        ({"max_position_embeddings": 0}, None),
        ({}, None),
        ({"max_position_embeddings": 4096.0}, 4096),
    ],
)
def test_the_configuration_alone(tmp_path, unlimited, config, tokens):
    assert context_tokens(config_in(tmp_path, model_type="bert", **config), unlimited) == tokens


@pytest.mark.parametrize(("tokens", "said"), [(512, 512), (2048, 1024), (int(1e30), 1024), (1e30, 1024), (None, 1024)])
def test_the_smaller_of_configuration_and_tokenizer_counts(tmp_path, tokens, said):
    assert context_tokens(config_in(tmp_path, max_position_embeddings=1024), limited(tokens)) == said


def test_the_tokenizer_alone(tmp_path):
    assert context_tokens(config_in(tmp_path, model_type="bloom"), limited(300)) == 300


@pytest.mark.parametrize("tokens", [512, int(1e30)])
def test_514_positions_of_roberta_are_512_tokens_for_any_tokenizer(tmp_path, tokens):
    folder = config_in(tmp_path, model_type="roberta", max_position_embeddings=514, pad_token_id=1)
    assert context_tokens(folder, limited(tokens)) == 512


def test_a_nested_text_config_is_used(tmp_path, unlimited):
    from transformers import Gemma3Config, Gemma3TextConfig

    text = Gemma3TextConfig(max_position_embeddings=77)
    Gemma3Config(text_config=text.to_dict()).save_pretrained(tmp_path)
    assert "max_position_embeddings" not in json.loads((tmp_path / "config.json").read_text())
    assert context_tokens(tmp_path, unlimited) == 77


def test_a_folder_without_a_tokenizer_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="its tokenizer cannot be loaded"):
        load_tokenizer(config_in(tmp_path, model_type="nonsense"))


# --- what is encoded --------------------------------------------------------------------------------------------------

LONG = {"max_length": 131072}
STUDY = {
    **toy.STUDY,
    "models": {"roberta": {"kind": "encoder", "local": "roberta"}, "gpt2": {"kind": "decoder", "local": "gpt2"}},
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("mood", "hues", "named", "alike")},
    "protocols": {"long": LONG, "cross": {**LONG, "encoder_choice": "cross_encoder"},
                  "letters": {**LONG, "decoder_choice": "mcq"}},
    "experiments": {"modes": {**toy.STUDY["experiments"]["modes"], "models": ["roberta"]}},
}  # fmt: skip
READS = {"roberta": 512, "gpt2": 128}


def save_roberta(folder: Path) -> None:
    """514 places and a tokenizer of 512 tokens that marks texts as RoBERTa's does: <s> A </s></s> B </s>."""
    from tokenizers import processors
    from transformers import RobertaConfig, RobertaModel

    tokenizer = toy_tokenizers.make("byte_bpe")
    tokenizer.add_special_tokens({"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"})
    ends = [(word, tokenizer.convert_tokens_to_ids(word)) for word in ("</s>", "<s>")]
    tokenizer.backend_tokenizer.post_processor = processors.RobertaProcessing(*ends, add_prefix_space=False)
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder)
    pad = tokenizer.pad_token_id
    sizes = {**SIZES, "vocab_size": len(tokenizer), "pad_token_id": pad, "type_vocab_size": 1}
    RobertaModel(RobertaConfig(**{**sizes, "max_position_embeddings": pad + 1 + 512})).save_pretrained(folder)


def save_gpt2(folder: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = toy_tokenizers.make("byte_bpe")
    tokenizer.save_pretrained(folder)
    config = {**GPT2, "vocab_size": len(tokenizer), "n_positions": READS["gpt2"]}
    GPT2LMHeadModel(GPT2Config(**config)).save_pretrained(folder)


@pytest.fixture(scope="module")
def resolved(toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """A study on texts of 1 to 1,000 words, as the working folder, with both model folders."""
    folder = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("data").mkdir()
        Path("tasks").symlink_to(toy_world_once / "tasks")
        tables = {"mood": toy.classify_rows(160), "pairs": toy.pair_rows(120), "hues": toy.hue_rows(40, seed=2)}
        columns = {"mood": ["sentence"], "pairs": ["first", "second"], "hues": ["q", "right", "w1"]}
        for name, rows in tables.items():
            for i, row in enumerate(rows):
                for k, column in enumerate(columns[name]):
                    row[column] = " ".join([row[column]] * (1 + (i * (7 + k)) % 150 if k < 2 else 1 + i % 3))
            pq.write_table(pa.Table.from_pylist(rows), f"data/{name}.parquet")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(4)
            save_roberta(Path("roberta"))
            save_gpt2(Path("gpt2"))
        study = resolve(STUDY, "test")
        for model in STUDY["models"]:
            jobs.model(Path(f"results/models/{model}/model.json"), study_settings.model_settings(model, study))
        yield study


def encoded(resolved: Resolved, model: str, task: str, protocol: str) -> dict[str, list]:
    """Columns of the tokens file that the workflow's stages make."""
    examples, tokens = Path(f"{task}.parquet"), Path(f"{model}-{task}-{protocol}.arrow")
    jobs.examples(examples, study_settings.example_settings(task, "evaluate", resolved))
    settings = study_settings.tokens_file_settings(model, task, (), protocol, "evaluate", resolved)
    jobs.tokenize(tokens, settings, Path(f"results/models/{model}/model.json"), examples, None)
    return read_tokens(tokens).to_pydict()


def check_fill(lengths: list[int], model: str, truncated: list[bool]) -> None:
    """No row is too long, truncated rows have the maximal length, and both kinds of rows occur."""
    assert max(lengths) == READS[model]
    assert {length for length, cut in zip(lengths, truncated, strict=True) if cut} == {READS[model]}
    assert 0 < sum(truncated) < len(truncated)


@pytest.mark.parametrize("task", ["mood", "alike"])
def test_an_encoder_reads_every_encoded_row(resolved, task):
    rows = encoded(resolved, "roberta", task, "long")
    check_fill([len(query) for query in rows["query"]], "roberta", rows["truncated"])
    model = load_classifier(Path("results/models/roberta"), 2, ("roberta", task, 0))[0]
    assert scores.class_logits(model, rows["query"], rows["second_start"], "cpu").shape == (len(rows["id"]), 2)


def test_an_encoder_reads_every_option(resolved):
    rows = encoded(resolved, "roberta", "hues", "long")
    lengths = [max(map(len, [query, *options])) for query, options in zip(rows["query"], rows["options"], strict=True)]
    check_fill(lengths, "roberta", rows["truncated"])
    assert max(len(option) for row in rows["options"] for option in row) == 512
    model = load_plain(Path("results/models/roberta"), "encoder")
    assert len(scores.similarity(model, rows["query"], rows["options"], "cpu")) == len(rows["id"])


def test_a_cross_encoder_reads_every_pair(resolved):
    rows = encoded(resolved, "roberta", "hues", "cross")
    check_fill([max(map(len, row)) for row in rows["options"]], "roberta", rows["truncated"])
    model = load_classifier(Path("results/models/roberta"), 1, ("roberta", "hues", 0))[0]
    found = scores.pair_logits(model, rows["options"], rows["option_starts"], "cpu")
    assert [len(row) for row in found] == [len(row) for row in rows["options"]]


@pytest.mark.parametrize(("task", "protocol"), [("mood", "long"), ("hues", "letters")])
def test_a_decoder_reads_every_prompt_with_its_options(resolved, task, protocol):
    rows = encoded(resolved, "gpt2", task, protocol)
    longest = [len(query) + max(map(len, row)) for query, row in zip(rows["query"], rows["options"], strict=True)]
    check_fill(longest, "gpt2", rows["truncated"])
    model = load_plain(Path("results/models/gpt2"), "decoder")
    found = scores.loglikelihood(model, rows["query"], rows["options"], rows["option_starts"], "cpu")
    assert len(found) == len(rows["id"])


def test_an_option_that_leaves_no_room_for_a_prompt_is_refused(resolved):
    with pytest.raises(UserError, match=r"the model reads only 128 tokens, but .* follow the prompt"):
        encoded(resolved, "gpt2", "hues", "long")


def test_generated_text_fits_after_every_prompt(resolved):
    rows = encoded(resolved, "gpt2", "named", "long")
    new = resolved.tasks["named"].generate.max_new_tokens
    check_fill([len(query) + new for query in rows["query"]], "gpt2", rows["truncated"])
    model, tokenizer = load_plain(Path("results/models/gpt2"), "decoder"), load_tokenizer(Path("results/models/gpt2"))
    texts = partial(greedy.greedy_texts, model, tokenizer, device="cpu", stop=[])
    assert len(texts(rows["query"], max_new_tokens=new)) == len(rows["id"])
    longest = max(rows["query"], key=len)
    with pytest.raises(IndexError):  # the model's places end: a token more would not be read (the last never is)
        texts([longest], max_new_tokens=new + 2)
