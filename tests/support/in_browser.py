"""Pages in Debian's chromium. `tests/conftest.py` offers the fixtures; a module of tests defines `file`, its page."""

import shutil
from collections.abc import Iterator

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A running browser; skips without chromium or without the Python package playwright."""
    if CHROMIUM is None:
        pytest.skip("no chromium (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright (extra dev)")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, file) -> Iterator:
    """A function that opens the page at a width, and fails at the end if it logged or loaded anything."""
    problems: list[str] = []
    contexts = []

    def open_at(width: int, **options) -> object:
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                problems.append(request.url) if request.url[:5] not in ("file:", "data:", "blob:") else None
            ),
        )
        page.goto(file.as_uri())
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert problems == []
