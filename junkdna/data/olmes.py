"""OLMES request files: restore one row per document from lines that each contain a document and one of its options."""

from collections.abc import Iterable, Iterator

from junkdna.errors import UserError

REQUESTS_NAME = "requests.jsonl.gz"
FIRST_UNCONDITIONAL_ID = 1_000_000


def documents(lines: Iterable[dict], where: str) -> Iterator[dict]:
    """The `doc` field of each document of a request file, in the order of `doc_id`.

    A line contains `doc`, `doc_id`, `label` (the gold position, which is also a field of `doc`) and the request for one
    option. Documents with ids from 1,000,000 on are dropped: they repeat the others without the question in the
    request, for unconditional likelihoods. Prompts are not read because their shots are not rows of the data set.
    Raises UserError for lines of another form, and for lines of one document that differ in `doc` or `label`.
    """
    by_id: dict[int, tuple[dict, object]] = {}
    for number, line in enumerate(lines, start=1):
        doc, doc_id = line.get("doc"), line.get("doc_id")
        if not isinstance(doc, dict) or not isinstance(doc_id, int) or isinstance(doc_id, bool):
            raise UserError(
                f"{where}: request {number} lacks `doc` (an object) or `doc_id` (a number); it has"
                f" {', '.join(line) or 'no keys'}. A file whose name ends with {REQUESTS_NAME} must contain OLMES"
                " requests; if this is a plain file of rows, rename it."
            )
        if doc_id >= FIRST_UNCONDITIONAL_ID:
            continue
        first = by_id.setdefault(doc_id, (doc, line.get("label")))
        if first != (doc, line.get("label")):
            raise UserError(
                f"{where}: request {number} has another `doc` or `label` for document {doc_id} than an earlier line"
                f" ({line.get('label')!r} after {first[1]!r}). Two files were probably concatenated: separate them."
            )
    for doc_id in sorted(by_id):
        yield by_id[doc_id][0]
