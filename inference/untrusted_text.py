"""Fences untrusted text of documents, models and users in a prompt: marks it as data between tags.

Text that looks like one of our tags is disarmed, so that no text can close its fence and pose as the prompt.
Source: "delimiting" in Hines et al. 2024, Defending Against Indirect Prompt Injection Attacks With
Spotlighting, arXiv:2403.14720. A fence lowers the risk of prompt injection; it does not stop a model that
obeys anyway.
"""

import re

TAGS = ("document", "passage", "question", "summary", "messages")
_TAG = re.compile(rf"<(?=\s*/?\s*(?:{'|'.join(TAGS)}))", re.IGNORECASE)


def disarm(text: str) -> str:
    """Return the text without anything that a model could mistake for one of our tags."""
    return _TAG.sub("‹", text)


def fence(tag: str, text: str, **attributes: object) -> str:
    """Return the text on its own lines between the tags. Each attribute is squeezed onto one line."""
    named = "".join(f' {name}="{_attribute(value)}"' for name, value in attributes.items())
    return f"<{tag}{named}>\n{disarm(text)}\n</{tag}>"


def _attribute(value: object) -> str:
    return disarm(" ".join(str(value).split())).replace('"', "'")
