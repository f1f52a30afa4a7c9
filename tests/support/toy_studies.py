"""Small toy studies that several tests run."""

import toy

from junkdna.study.cell import parse_cell_path

FEW = [
    {"method": "wanda", "sparsity": 0.5, **toy.CALIBRATED},
    {"method": "svd", "rank": [0.25, 0.5]},
    {"method": "rtn", "bits": 2, "group": 8},
]
STORED_STUDY = {
    **toy.METHODS,
    "tasks": {"hues": {"file": "tasks/hues.yaml"}},
    "experiments": {"few": {"title": "A few", "models": ["llm"], "tasks": ["hues"], "compressions": FEW}},
}
CELL = parse_cell_path("tiny/mood/plain/magnitude-0.5/none/default/seed-0")
CONTEXT, MODES = toy.STUDY["experiments"]["context"], toy.STUDY["experiments"]["modes"]
TEN_CELLS = {  # six and four
    **toy.STUDY,
    "experiments": {"context": {**CONTEXT, "compressions": [{"method": "magnitude", "sparsity": [0.5, 0.9]}]},
                    "modes": {**MODES, "transfer": ["dense", "sparse"]}},
}  # fmt: skip
TWO_CELLS = {
    **toy.STUDY,
    "tasks": {"mood": toy.STUDY["tasks"]["mood"]},
    "models": {"tiny": {"kind": "decoder", "local": "decoder"}},
    "experiments": {"one": {"title": "One", "models": ["tiny"], "tasks": ["mood"],
                            "compressions": [{"method": "magnitude", "sparsity": 0.5}]}},
}  # fmt: skip
DEFAULT = {
    **toy.METHODS,
    "study": "default",
    "tasks": {"hues": {"file": "tasks/hues.yaml"}},
    "experiments": {"pruned": {"title": "Pruned", "models": ["llm"], "tasks": ["hues"], "compressions": [
        {"method": "magnitude", "sparsity": 0.5}, {"method": "wanda", "sparsity": 0.5, **toy.CALIBRATED}]}},
}  # fmt: skip
