"""What a picture in our script-free HTML may be: one element that holds inert SVG, and nothing else."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

_IMAGE = re.compile(r'<p><img alt="([^"<>]*)" src="data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)"></p>')
_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "rect", "text", "polyline"}
_ATTRIBUTES = {
    *("x", "y", "width", "height", "fill", "stroke", "stroke-width", "points", "viewBox"),
    *("font-size", "font-family", "text-anchor"),
}


def without_pictures(html: str) -> tuple[str, list[str]]:
    """Check every picture, and return the rest of the page and the texts that are in the pictures."""
    found: list[str] = []
    for alt, data in _IMAGE.findall(html):
        assert alt
        for element in ElementTree.fromstring(base64.b64decode(data)).iter():
            assert element.tag.removeprefix(_SVG) in _ELEMENTS and set(element.attrib) <= _ATTRIBUTES
            assert not any("url(" in value or "javascript" in value for value in element.attrib.values())
            found += [element.text] if element.text else []
    return _IMAGE.sub("", html), found
