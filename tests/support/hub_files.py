"""Small data sets in the layout of the Hugging Face Hub: a README with configurations, one Parquet file a split."""

from pathlib import Path

import yaml

GLUE_LABELS = {
    "sst2": ["negative", "positive"],
    "cola": ["unacceptable", "acceptable"],
    "mrpc": ["not_equivalent", "equivalent"],
    "qqp": ["not_duplicate", "duplicate"],
    "mnli": ["entailment", "neutral", "contradiction"],
    "qnli": ["entailment", "not_entailment"],
    "rte": ["entailment", "not_entailment"],
}
GLUE_TEXTS = {
    "sst2": ["sentence"],
    "cola": ["sentence"],
    "qqp": ["question1", "question2"],
    "mnli": ["premise", "hypothesis"],
    "qnli": ["question", "sentence"],
}
PAGES = ("doc_source", "filename", "title", "wiki_context")
RESULTS = ("description", "filename", "title", "url", "search_context")


def make_repository(folder: Path, config: str | None, features: object, splits: dict[str, list[dict]]) -> Path:
    """Write rows by split name into `folder`, as configuration `config` (None: the only one, as the Hub calls it
    default), with the columns and types of `features` (`datasets.Features`; None: as the rows are)."""
    import datasets

    name = config or "default"
    for split, rows in splits.items():
        columns = {column: [row[column] for row in rows] for column in (features or rows[0])}
        table = datasets.Dataset.from_dict(columns, features=features)
        file = folder / name / f"{split}-00000-of-00001.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(file)
    files = [{"split": split, "path": f"{name}/{split}-*"} for split in splits]
    head = yaml.safe_dump({"configs": [{"config_name": name, "data_files": files}]})
    (folder / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8")
    return folder


def glue(config: str) -> object:
    """Columns of a configuration of nyu-mll/glue: the texts, a class label (STS-B: a number) and the row number."""
    import datasets

    texts = dict.fromkeys(GLUE_TEXTS.get(config, ["sentence1", "sentence2"]), datasets.Value("string"))
    names = GLUE_LABELS.get(config)
    label = datasets.ClassLabel(names=names) if names else datasets.Value("float32")
    return datasets.Features({**texts, "label": label, "idx": datasets.Value("int32")})


def trivia_qa() -> object:
    """Columns of mandarjoshi/trivia_qa: pages and search results are structs of lists."""
    import datasets

    text, texts = datasets.Value("string"), datasets.List(datasets.Value("string"))
    answer = dict.fromkeys(
        ("matched_wiki_entity_name", "normalized_matched_wiki_entity_name", "normalized_value", "type", "value"), text
    )
    return datasets.Features(
        {
            "question": text,
            "question_id": text,
            "question_source": text,
            "entity_pages": dict.fromkeys(PAGES, texts),
            "search_results": {**dict.fromkeys(RESULTS, texts), "rank": datasets.List(datasets.Value("int32"))},
            "answer": {"aliases": texts, "normalized_aliases": texts, **answer},
        }
    )


def trivia_row(question: str, pages: list[str], results: list[str], aliases: list[str]) -> dict:
    """One row of `trivia_qa`."""
    return {
        "question": question,
        "question_id": "tc_1",
        "question_source": "made",
        "entity_pages": dict.fromkeys(PAGES, [""] * len(pages)) | {"wiki_context": pages},
        "search_results": {
            **dict.fromkeys(RESULTS, [""] * len(results)),
            "rank": list(range(len(results))),
            "search_context": results,
        },
        "answer": {
            "aliases": aliases,
            "normalized_aliases": [alias.lower() for alias in aliases],
            "matched_wiki_entity_name": "",
            "normalized_matched_wiki_entity_name": "",
            "normalized_value": aliases[0].lower(),
            "type": "FreeForm",
            "value": aliases[-1],
        },
    }


def squad() -> object:
    """Columns of rajpurkar/squad."""
    import datasets

    text = datasets.Value("string")
    spans = {"text": datasets.List(text), "answer_start": datasets.List(datasets.Value("int32"))}
    return datasets.Features({**dict.fromkeys(("id", "title", "context", "question"), text), "answers": spans})


def all_text(*columns: str) -> object:
    """Columns of text alone."""
    import datasets

    return datasets.Features(dict.fromkeys(columns, datasets.Value("string")))
