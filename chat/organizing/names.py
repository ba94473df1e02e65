"""The names of folders and tags: on one line, bounded, and each once whatever its upper and lower case."""

from chat.errors import NameRefused
from core.text import one_line


def clean_name(text: str, thing: str, limit: int) -> str:
    """Return the name as it is stored. thing: "folder" or "tag". Raises NameRefused."""
    name = one_line(text)
    if not name:
        raise NameRefused(f"Give the {thing} a name.")
    if len(name) > limit:
        raise NameRefused(
            f"The name of the {thing} has {len(name):,} characters; the limit is {limit}. Shorten it."
        )
    return name
