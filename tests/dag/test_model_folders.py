"""Problems with the model folders of a study are reported when it is planned, not by a job."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import toy
from safetensors.numpy import load_file, save_file

from junkdna.cli.doctor import doctor
from junkdna.cli.plan import plan
from junkdna.dag.model_folders import model_notes, model_problems
from junkdna.dag.source_checks import check_sources
from junkdna.errors import UserError
from junkdna.study.load import resolve

HALF = {"method": "magnitude", "sparsity": 0.5}
METHOD = {"method": "rtn", "bits": 4}


def edit(path: str, **changes: object) -> None:
    file = Path(path)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def study_of(*compressions: dict, model: str = "tiny") -> dict:
    """The choice task without training, on the BERT (32 and 64 inputs a row) or the Llama (32 and 48)."""
    models = {"tiny": toy.STUDY["models"]["tiny"], "llm": {"kind": "decoder", "local": "decoder"}}
    experiment = {"title": "E", "models": [model], "tasks": ["colours"], "compressions": [*compressions] or [HALF]}
    return {"study": "s", "models": {model: models[model]}, "tasks": {"colours": {"file": "tasks/colours.yaml"}},
            "experiments": {"e": experiment}, "bootstrap": 100,
            "calibrations": {"c": {"task": "colours", "role": "evaluate", "samples": 4, "context_tokens": 16}},
            }  # fmt: skip


def problems(study: dict) -> list[str]:
    return list(model_problems(resolve(study, "study")))


@pytest.mark.usefixtures("world")
class TestGroups:
    @pytest.mark.parametrize("model", ["tiny", "llm"])
    def test_that_fit(self, model):
        fitting = [{**METHOD, "group": group} for group in (0, 8, 16)]
        fitting += [{"method": "rtn", "format": ["nvfp4", "fp8"]}]
        fitting += [{"method": "nm", "keep": [1], "of": of} for of in (2, 4, 16)]
        assert problems(study_of(*fitting, {"method": "svd", "rank": 0.5}, model=model)) == []

    @pytest.mark.parametrize(
        ("compression", "model", "said"),
        [
            ({**METHOD, "group": 48}, "tiny", "rtn-4bit,group=48 uses groups of 48 inputs, which do not divide the 32"),
            ({**METHOD, "group": 64}, "tiny", "do not divide the 32 inputs"),
            (
                {**METHOD, "group": 32},
                "llm",
                "the 48 inputs of model.layers.0.mlp.down_proj.weight (2 of 14 matrices",
            ),
            ({"method": "gptq", "bits": 4, "group": 64, "calibration": "c"}, "llm", "uses groups of 64 inputs"),
            (
                {"method": "rtn", "format": "nf4"},
                "tiny",
                "rtn-nf4 uses groups of 64 inputs, which do not divide the 32 inputs of encoder.layer.0.attention",
            ),
            (
                {"method": "gptq", "format": "mxfp4", "calibration": "c"},
                "llm",
                "(2 of 14 matrices); the format fixes them. Formats that fit all: fp8, nvfp4, and integers with group "
                "sizes that fit all: 2, 4, 8, 16",
            ),
            ({"method": "nm", "keep": 2, "of": 5}, "tiny", "group sizes that fit all: 2, 4, 8, 16, 32"),
            ({"method": "wanda", "keep": 2, "of": 3, "calibration": "c"}, "tiny", "uses groups of 3 inputs"),
            ({"method": "sparsegpt", "keep": 2, "of": 3, "calibration": "c"}, "llm", "divide the 32 inputs"),
        ],
    )
    def test_that_do_not(self, compression, model, said):
        found = problems(study_of(compression, model=model))
        assert len(found) == 1
        assert said in found[0]
        assert found[0].startswith(f"models.{model}.local")

    def test_of_matrices_that_lie_the_other_way_round(self):
        import transformers as hf

        shutil.rmtree("decoder")
        sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": 64, "n_inner": 40}
        hf.GPT2LMHeadModel(hf.GPT2Config(**sizes)).save_pretrained("decoder")
        shutil.copy("model/tokenizer.json", "decoder/tokenizer.json")
        assert problems(study_of({**METHOD, "group": 8}, model="llm")) == []
        found = problems(study_of({**METHOD, "group": 32}, model="llm"))
        assert "do not divide the 40 inputs of transformer.h.0.mlp.c_proj.weight (1 of 4 matrices)" in found[0]

    def test_of_layers_that_fit(self):
        """Only down_proj has 48 inputs."""
        group = {**METHOD, "group": 32}
        assert problems(study_of({**group, "layers": ["self_attn", "gate_proj"]}, model="llm")) == []
        found = problems(study_of({**group, "layers": ["1.mlp"]}, model="llm"))
        assert "the 48 inputs of model.layers.1.mlp.down_proj.weight (1 of 3 matrices" in found[0]


@pytest.mark.usefixtures("world")
class TestAllocations:
    """Both models have two blocks of equal size."""

    LISTED = {"method": "magnitude_layer", "sparsity": [0.3, 0.6]}

    @pytest.mark.parametrize("model", ["tiny", "llm"])
    def test_that_fit(self, model):
        assert problems(study_of({**self.LISTED, "allocation": [1, 2]}, model=model)) == []
        owl = {"method": "wanda", "sparsity": 0.5, "calibration": "c", "allocation": "owl"}
        assert problems(study_of(owl, model=model)) == []

    @pytest.mark.parametrize("model", ["tiny", "llm"])
    def test_that_do_not(self, model):
        found = problems(study_of({**self.LISTED, "allocation": [1, 2, 3]}, model=model))
        assert len(found) == 2
        assert f"models.{model}.local" in found[0]
        assert "magnitude_layer-0.3,allocation=1+2+3: allocation lists 3 numbers for 2 compressed blocks" in found[0]
        [found] = problems(study_of({**self.LISTED, "allocation": [1, 6]}, model=model))
        assert "magnitude_layer-0.6,allocation=1+6: allocation cannot reach sparsity 0.6" in found
        assert "the highest sparsity with this list is 0.583" in found

    @pytest.mark.parametrize("model", ["tiny", "llm"])
    def test_with_layers_count_the_blocks_that_these_select(self, model):
        one = {**self.LISTED, "layers": "0"}
        assert problems(study_of({**one, "allocation": [1]}, model=model)) == []
        found = problems(study_of({**one, "allocation": [1, 2]}, model=model))
        assert len(found) == 2
        assert "layers=0: allocation lists 2 numbers for 1 compressed block" in found[0]

    @pytest.mark.parametrize("allocation", [{"allocation": [1, 2]}, {"allocation": "owl", "calibration": "c"}])
    def test_of_embeddings_alone(self, allocation):
        tables = {"method": "magnitude_layer", "sparsity": 0.5, "embeddings": True, "layers": "word_embeddings"}
        [found] = problems(study_of({**tables, **allocation}))
        assert "`layers` selects no matrix in a block" in found
        assert problems(study_of({**tables, **allocation, "layers": ["word_embeddings", "attention"]})) == []

    def test_of_folders_that_contradict_themselves_are_left_to_the_job(self):
        edit("model/config.json", num_hidden_layers=3)
        listed = {**self.LISTED, "allocation": [1, 2, 3]}
        assert not [each for each in problems(study_of(listed)) if "allocation" in each]


@pytest.mark.usefixtures("world")
class TestLayers:
    HALF = {"method": "magnitude", "sparsity": [0.3, 0.5]}

    @pytest.mark.parametrize(
        ("model", "layers"),
        [
            ("tiny", ["1.attention", "0-1.output"]),
            ("tiny", "encoder"),
            ("tiny", "bert.encoder"),  # the name in a classifier, which a trained cell loads
            ("llm", ["model.layers.1", "0.mlp"]),
        ],
    )
    def test_that_match(self, model, layers):
        assert problems(study_of({**self.HALF, "layers": layers}, model=model)) == []

    @pytest.mark.parametrize(
        ("model", "layers", "hint"),
        [
            ("tiny", ["attention", "1.atention"], "pattern '1.atention' matches none of the 12 matrices. Did you mean"),
            ("tiny", "2.attention", "Did you mean '1.attention'"),
            ("tiny", "pooler", "pattern 'pooler' matches none"),
            ("tiny", "word_embeddings", "pattern 'word_embeddings' matches none"),
            ("llm", "attention", "pattern 'attention' matches none of the 14 matrices"),
            ("llm", "1.fc", "Matrices: model.layers.0.self_attn.q_proj.weight"),
        ],
    )
    def test_that_match_nothing(self, model, layers, hint):
        [found] = problems(study_of({**self.HALF, "layers": layers}, model=model))
        assert found.startswith(f"models.{model}.local")
        assert hint in found

    def test_of_several_compressions_are_named_once_each(self):
        lists = (["attention"], ["attention", "0.out"], ["attention", "1.output"], "0.out", "0.out")
        found = problems(study_of(*({**self.HALF, "layers": each} for each in lists)))
        assert [line.count("pattern '0.out' matches none") for line in found] == [1, 1]

    def test_of_embeddings(self):
        tables = {**self.HALF, "embeddings": True}
        assert problems(study_of({**tables, "layers": "word_embeddings"})) == []
        assert "matches none of the 15 matrices" in problems(study_of({**tables, "layers": "words"}))[0]

    def test_are_those_of_the_model_not_of_its_files(self):
        """The files of the body alone lack the prefix that a language model gives its matrices."""
        import transformers as hf

        hf.AutoModel.from_pretrained("decoder").save_pretrained("body")
        for name in Path("decoder").glob("*token*"):
            shutil.copy(name, "body")
        shutil.rmtree("decoder")
        Path("body").rename("decoder")
        assert "layers.0.mlp.down_proj.weight" in load_file("decoder/model.safetensors")
        assert problems(study_of({**self.HALF, "layers": "model.layers.0"}, model="llm")) == []

    def test_of_a_trained_head(self):
        """With `prune_head`, patterns can name matrices of the head."""
        study = copy.deepcopy(toy.STUDY)
        study["experiments"] = {"e": study["experiments"]["modes"]}
        study["experiments"]["e"]["compressions"] = [{**self.HALF, "layers": ["attention", "classifier"]}]
        study["experiments"]["e"]["protocol"] = "head"
        study["protocols"] = {"head": {"prune_head": True}}
        assert problems(study) == []


def spoil(name: str) -> None:
    if name == "tokenizer":
        for path in Path("model").glob("*token*"):
            path.unlink()
        Path("model/vocab.txt").unlink()
    elif name == "pickles":
        Path("model/model.safetensors").rename("model/pytorch_model.bin")
    elif name == "cut":
        Path("model/model.safetensors").write_bytes(Path("model/model.safetensors").read_bytes()[:-8])
    else:
        edit("model/config.json", **{"is_encoder_decoder": True} if name == "halves" else {"model_type": name})


@pytest.mark.usefixtures("world")
class TestFolders:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("tokenizer", "no tokenizer file with a vocabulary"),
            ("pickles", "only pickled weights (pytorch_model.bin)"),
            ("cut", "is incomplete: "),
            ("halves", "an encoder-decoder, which no `kind` supports"),
            ("tomorrow", "model_type 'tomorrow', which transformers"),
        ],
    )
    def test_problems_are_reported_by_every_planning_command(self, name, said):
        spoil(name)
        resolved = resolve(toy.STUDY, "study")
        [line] = model_problems(resolved)
        assert said in line
        assert line.startswith("models.tiny.local 'model'")
        assert f"WRONG    {line}" in plan(resolved)[0]
        with pytest.raises(UserError, match=r"^1 problem\(s\) with models of the study:\n  models\.tiny"):
            check_sources(resolved)
        lines, good = doctor(Path("config.yaml"))
        assert not good
        assert f"FIX {line}" in lines

    def test_a_folder_that_is_not_there_is_missing_and_nothing_else(self):
        shutil.rmtree("model")
        assert problems(toy.STUDY) == []

    def test_existing_model_folders_are_checked(self):
        study = {
            **study_of({**METHOD, "group": 48}),
            "models": {"tiny": {"kind": "encoder", "hub": "a/b", "revision": "1"}},
        }
        assert problems(study) == []
        shutil.copytree("model", "results/models/tiny")
        Path("results/models/tiny/model.json").write_text("{}")
        [line] = problems(study)
        assert line.startswith("models.tiny (results/models/tiny): rtn-4bit,group=48 uses groups of 48")

    def test_a_masked_language_model_as_a_decoder(self):
        edit("model/config.json", architectures=["BertForMaskedLM"])
        study = study_of()
        study["models"]["tiny"] = {"kind": "decoder", "local": "model"}
        [line] = problems(study)
        assert "config.json says BertForMaskedLM" in line
        assert "set `kind: encoder`" in line
        edit("model/config.json", is_decoder=True)
        assert problems(study) == []

    def test_a_causal_model_as_an_encoder_is_noted_and_runs(self):
        study = study_of(model="llm")
        assert list(model_notes(resolve(study, "study"))) == []
        study["models"]["llm"]["kind"] = "encoder"
        resolved = resolve(study, "study")
        [line] = model_notes(resolved)
        assert "LlamaForCausalLM is a causal model" in line
        assert problems(study) == []
        assert f"NOTE     {line}" in plan(resolved)[0]

    def test_shards_count_together(self):
        weights = load_file("model/model.safetensors")
        names = sorted(weights)
        parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for file, held in parts.items():
            save_file({name: weights[name] for name in held}, f"model/{file}")
        index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
        Path("model/model.safetensors.index.json").write_text(json.dumps(index))
        Path("model/model.safetensors").unlink()
        assert "(10 of 12 matrices)" in problems(study_of({**METHOD, "group": 64}))[0]
