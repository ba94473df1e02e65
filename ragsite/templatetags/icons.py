"""Icons of the Lucide set, each rendered once.

The package copies and serialises the XML of an icon for each use, which took a sixth of the CPU time of a page.
"""

from functools import cache

from django import template
from lucide.templatetags.lucide import lucide as render_icon

register = template.Library()


@register.simple_tag
def lucide(name: str, *, size: int = 24, **attributes: str) -> str:
    """Return the SVG of an icon. size: width and height in pixels. attributes: of the svg element."""
    return _render(name, size, tuple(attributes.items()))


@cache  # the templates name all icons, so there are few
def _render(name: str, size: int, attributes: tuple[tuple[str, str], ...]) -> str:
    svg: str = render_icon(name, size=size, **dict(attributes))
    return svg
