"""The pages on external checkpoints and exports: their studies are valid and have the names that they show."""

import re
from pathlib import Path

import pytest
import yaml
from project import ROOT

from junkdna.cli.export import chosen_cells, with_all_experiments
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

EXTERNAL = (ROOT / "docs/external-checkpoints.md").read_text()
EXPORT = (ROOT / "docs/export.md").read_text()


def study_of(page: str) -> dict:
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[1])


def test_the_table_of_external_checkpoints_has_the_cells_of_its_study() -> None:
    cells = all_cells(resolve(study_of(EXTERNAL), "docs/external-checkpoints.md"))
    output = re.search(r"```text\n(.*?)```", EXTERNAL, flags=re.DOTALL)[1]
    shown = {word for word in output.split() if word == "dense" or word.startswith(("external-", "magnitude_"))}
    assert shown == {cell.compression.tag for cell in cells}


@pytest.mark.parametrize("command", re.findall(r"junkdna export --model (\S+) --compression (\S+) --out (\S+)", EXPORT))
def test_the_commands_of_the_page_on_exports_name_compressions_of_its_study(command: tuple[str, ...]) -> None:
    model, names, out = command
    study = with_all_experiments(resolve(study_of(EXPORT), "docs/export.md"))
    cells = chosen_cells(study, model, names, None)
    output = re.search(r"```text\n(.*?)```", EXPORT, flags=re.DOTALL)[1]
    for cell in cells:
        target = Path(out) / cell.compression.tag if len(cells) > 1 else Path(out)
        assert f"{target}  {cell.compression.tag}: " in output
