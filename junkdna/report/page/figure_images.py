"""The drawn figures as SVG inside the page: searchable text, ids that do not clash, widths that fit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from junkdna.errors import UserError
from junkdna.report.page.sections import caption_of, slug


@dataclass(frozen=True)
class Image:
    """A figure: the stem of its files, title, caption, text for those who do not see it, and its SVG."""

    stem: str
    id: str
    title: str
    caption: str
    alt: str
    svg: str


def image(folder: Path, stem: str, about: str = "") -> Image:
    """The figure `stem` of a folder of figures. Raises UserError if its SVG does not exist."""
    path = folder / f"{stem}.svg"
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path}: the report needs this figure, but it does not exist. The figures were not drawn, or were drawn "
            f"from another drops table. Draw them again with `junkdna figures`."
        ) from None
    title, caption = caption_of(stem)
    alt = f"{about + ': ' if about else ''}{title}."
    return Image(stem, f"figure-{slug(stem)}", title, caption, alt, inline(content, slug(stem)))


def inline(content: str, prefix: str) -> str:
    """An SVG document as an element of a page: without prolog and scripts, every id and reference with a prefix."""
    body = content[content.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', body)
    body = re.sub(r'((?:xlink:)?href)="#([^"]+)"', rf'\1="#{prefix}-\2"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", body)
    return body.replace("<svg", '<svg class="mpl" aria-hidden="true" focusable="false"', 1)
