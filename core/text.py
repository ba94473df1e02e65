"""Text from people, documents and models, as the database can keep it."""


def storable(text: str) -> str:
    """Return the text without what PostgreSQL cannot store: NUL, and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.encode(errors="replace").decode().replace("\0", "")
