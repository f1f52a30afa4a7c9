"""OLMES request files: many lines, each one document with one of its options, back to one row per document."""

from collections.abc import Iterable, Iterator

from junkdna.errors import UserError

REQUESTS_NAME = "requests.jsonl.gz"
FIRST_TWIN = 1_000_000


def documents(lines: Iterable[dict], where: str) -> Iterator[dict]:
    """The documents of a request file, one row each, in the order of their `doc_id`: the fields of `doc`.

    A line holds `doc`, `doc_id`, `label` (the gold position, which `doc` repeats in a field of its own) and the
    request for one option. Documents from id 1,000,000 on are dropped: they repeat the others with the question left
    out of the request, for unconditional likelihoods. Raises UserError for lines of another form and for lines of one
    document that disagree in `doc` or `label`. Does not read the prompts: their shots are not rows of the data set.
    """
    found: dict[int, tuple[dict, object]] = {}
    for number, line in enumerate(lines, start=1):
        doc, doc_id = line.get("doc"), line.get("doc_id")
        if not isinstance(doc, dict) or not isinstance(doc_id, int) or isinstance(doc_id, bool):
            raise UserError(
                f"{where}: request {number} lacks `doc` (an object) or `doc_id` (a number); it has"
                f" {', '.join(line) or 'no keys'}. A file whose name ends with {REQUESTS_NAME} must hold OLMES"
                " requests; rename a plain file of rows."
            )
        if doc_id >= FIRST_TWIN:
            continue
        first = found.setdefault(doc_id, (doc, line.get("label")))
        if first != (doc, line.get("label")):
            raise UserError(
                f"{where}: request {number} gives document {doc_id} another `doc` or `label` than an earlier line"
                f" ({line.get('label')!r} after {first[1]!r}), so its row is not known: two files may have been joined."
            )
    for doc_id in sorted(found):
        yield found[doc_id][0]
