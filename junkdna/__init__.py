"""Does compression cost a language model more on harder tasks? `open_results` reads what a study found."""

__all__ = ["open_results"]


def __getattr__(name: str) -> object:
    """`junkdna.open_results`, imported when it is first used: importing `junkdna` alone imports nothing."""
    if name != "open_results":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from junkdna.report.results import open_results

    return open_results
