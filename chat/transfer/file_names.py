"""The names of exported files."""

from pathvalidate import sanitize_filename

from core.text import one_line

_MOST_BYTES = 150  # file systems take 255, and browsers add " (1)"


def file_name(title: str, extension: str) -> str:
    """Return a name that every system takes, with the letters of the title."""
    name = sanitize_filename(
        one_line(title), replacement_text="-", platform="universal", max_len=_MOST_BYTES
    ).strip(" .-")
    return f"{name or 'conversation'}.{extension}"
