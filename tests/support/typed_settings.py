"""Settings of the job `examples` from the keys that a test is about."""

from junkdna.study.source_settings import ExampleSettings

REST = {
    "version": 0, "task": "t", "role": "evaluate", "kind": "classify", "source": {"local": "."}, "splits": {},
    "columns": {}, "limits": {}, "code": "",
}  # fmt: skip


def typed(settings: dict) -> ExampleSettings:
    return ExampleSettings.read({**REST, **settings}, "test")
