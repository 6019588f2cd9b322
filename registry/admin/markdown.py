"""Model cards: Markdown to HTML that is safe to show. The one file here that marks HTML as safe."""

from __future__ import annotations

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

# No `style`, no `class`: the policy of the pages allows neither, and a card needs neither.
_TAGS = frozenset(
    "p br hr h1 h2 h3 h4 h5 h6 ul ol li strong em del code pre blockquote a table thead tbody tr th "
    "td".split()
)
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def to_html(text: str) -> SafeString:
    """A description as HTML: raw HTML in it is shown as text, foreign links carry no referrer."""
    html = _parser().render(text)
    cleaned = nh3.clean(
        html,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes=set(_SCHEMES),
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(cleaned)  # noqa: S308  # nh3 has just cleaned it
