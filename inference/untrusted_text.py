"""Fences text of documents, models and people in a prompt, as data between tags.

What looks like one of our tags within the text is disarmed, so that no text can close its fence and speak as
the prompt does. Source: "delimiting" in Hines et al. 2024, Defending Against Indirect Prompt Injection Attacks
With Spotlighting, arXiv:2403.14720. A fence lowers the risk; it is no proof against a model that obeys anyway.
"""

import re

TAGS = ("document", "passage", "question", "summary", "messages")
_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)}))", re.IGNORECASE)


def disarm(text: str) -> str:
    """Return the text without anything that a model could take for one of our tags."""
    return _TAG.sub("‹", text)


def fence(tag: str, text: str, **attributes: object) -> str:
    """Return the text between the tags, on lines of its own, with the attributes on one line each cut to it."""
    named = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{named}>\n{disarm(text)}\n</{tag}>"


def _attribute(value: object) -> str:
    return disarm(" ".join(str(value).split())).replace('"', "'")
