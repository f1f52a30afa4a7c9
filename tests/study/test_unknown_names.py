"""An unknown key or name is one UserError that names the place, close names and the legal ones."""

import pytest
import toy
from toy_study import changed, error_of

UNKNOWN_KEYS = [
    ("modles", "modles", "models", "experiments"),
    ("experiments|context|sedes", "experiments.context.sedes", "seeds", "transfer"),
    ("experiments|context|compressions|0|sparsty", "compressions.0.sparsty", "sparsity", "keep"),
    ("models|tiny|knd", "models.tiny.knd", "kind", "wheel"),
    ("tasks|mood|protcol", "tasks.mood.protcol", "protocol", "limits"),
    ("tasks|mood|protocol|epoch", "tasks.mood.protocol.epoch", "epochs", "batch_size"),
    ("tasks|mood|limits|trian", "tasks.mood.limits.trian", "train", "evaluate"),
    ("protocols|long|max_lenght", "protocols.long.max_lenght", "max_length", "prune_head"),
]


@pytest.mark.parametrize(("path", "place", "close", "other"), UNKNOWN_KEYS)
def test_unknown_keys_of_a_study(world, path, place, close, other):
    text = error_of(changed(toy.STUDY, path, 1))
    assert text.startswith("config.yaml: ")
    assert f"{place}: unknown key" in text
    assert f"Did you mean {close!r}" in text
    assert other in text.split("Valid:")[1]


@pytest.mark.parametrize("name", ["tasks", "models", "compressions"])
def test_an_experiment_named_like_a_key_gets_the_keys_of_an_experiment(world, name):
    study = changed(toy.STUDY, f"experiments|{name}", {**toy.STUDY["experiments"]["context"], "sedes": [1]})
    text = error_of(study)
    assert f"experiments.{name}.sedes: unknown key 'sedes'. Did you mean 'seeds' or" in text
    assert "optional" in text


def test_unknown_key_of_a_task_use_inside_an_experiment(world):
    text = error_of(changed(toy.STUDY, "experiments|context|tasks", [{"task": "colours", "contxt": "none"}]))
    assert "experiments.context.tasks.0.contxt" in text
    assert "Did you mean 'context'? Valid: answer_span, context, data_fraction, options, shots, task." in text


@pytest.mark.parametrize(
    ("path", "place", "close"),
    [
        ("metrc", "metrc", "metric"),
        ("columns|txt", "columns.txt", "text"),
        ("sources|local|split", "sources.local.split", "splits"),
        ("hash_split|trian", "hash_split.trian", "train"),
    ],
)
def test_unknown_keys_of_a_task_file(world, path, place, close):
    text = error_of(mood=changed(toy.CLASSIFY_TASK, path, 1))
    assert text.startswith("tasks/mood.yaml: ")
    assert f"{place}: unknown key" in text
    assert f"Did you mean {close!r}" in text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("experiments|context|knobs", {"contxt": ["none"]}, ("experiments.context.knobs", "contxt", "'context'")),
        (
            "experiments|context|compressions|0|method",
            "magnitud",
            ("compressions.0", "unknown compression method 'magnitud'", "'magnitude'", "random"),
        ),
        (
            "experiments|modes|transfer",
            ["sparce"],
            ("experiments.modes.transfer.0: unknown value 'sparce'. Did you mean 'sparse'", "Valid: dense,"),
        ),
        ("tasks|scq", {}, ("tasks.scq", "unknown task 'scq'", "'sciq'", "mmlu_area")),
        ("tasks|mood|file", "tasks/moood.yaml", ("tasks.mood", "'tasks/moood.yaml' does not exist")),
        ("tasks|mood|file", "x" * 300, ("tasks.mood", "does not exist")),
        ("tasks|mood|file", "tasks/colours.yaml", ("tasks/colours.yaml", "'colours'", "'mood'")),
    ],
)
def test_unknown_names_list_close_and_legal_ones(world, path, value, says):
    text = error_of(changed(toy.STUDY, path, value))
    assert [part for part in says if part not in text] == []
