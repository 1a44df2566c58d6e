"""The links of an HTML page."""

from __future__ import annotations

from html.parser import HTMLParser


class HTMLLinks(HTMLParser):
    """The links of a page, with their words. A parser: expressions take minutes on odd pages."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._link: str | None = None
        self._words: list[str] = []

    @classmethod
    def of(cls, page: str) -> list[tuple[str, str]]:
        parser = cls()
        parser.feed(page)
        return parser.links

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._link, self._words = dict(attrs).get("href"), []

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            self.links.append((self._link, "".join(self._words).strip()))
            self._link = None
