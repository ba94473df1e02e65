"""Chat-template tokens: the marks between turns in the prompt of a model, written out in someone's text.

A tokenizer turns them into real turns wherever they are, so a document could speak as the system. They are replaced
in every message of every prompt (`inference.types.ChatMessage`), because our own templates never contain any.
Sources: the chat templates of ChatML, Llama 2 to 4, Mistral, Gemma, Phi, Command, DeepSeek, GLM and Harmony.
"""

import re

_NAMES = (
    *("s", "bos", "eos", "pad", "unk", "mask", "cls", "sep", "sop", "eop", "eod", "eot", "eom"),
    *("think", "thinking", "tools?", "tool_calls?", "tool_responses?", "functions?", "function_calls?"),
    *(r"start_of_\w+", r"end_of_\w+", r"begin_of_\w+", r"im_(?:start|end|sep)", r"fim_\w+", r"\w+_token"),
    *(r"unused_?\d+", r"extra_id_\d+", r"reserved_\w+", "endoftext", "startoftext"),
)
_SQUARE = (
    *(
        "INST",
        "SYSTEM_PROMPT",
        "AVAILABLE_TOOLS",
        "TOOL_CALLS?",
        "TOOL_RESULTS",
        "TOOL_CONTENT",
        "ARGS",
        "CALL_ID",
    ),
    *(
        "THINK",
        "IMG",
        "IMG_BREAK",
        "IMG_END",
        "MODEL_SETTINGS",
        "gMASK",
        "BOS",
        "EOS",
        "PREFIX",
        "SUFFIX",
        "MIDDLE",
    ),
)
_ANGLED = re.compile(
    rf"<(?=/?(?:{'|'.join(_NAMES)})>)"  # <start_of_turn>, </s>
    r"|<(?=<\s*/?\s*SYS\s*>>)"  # <<SYS>>
    r"|<(?=\s*/?\s*[|｜][^<>\n]{0,80}[|｜]\s*>)",  # <|im_start|>, and DeepSeek's with wide bars
    re.IGNORECASE,
)
_BRACKETED = re.compile(rf"\[(?=/?(?:{'|'.join(_SQUARE)})\])")  # [INST], in capitals as tokenizers know it


def disarm_tokens(text: str) -> str:
    """Return the text with another first character in each token, so that it is only text."""
    if "<" in text:
        text = _ANGLED.sub("‹", text)
    return _BRACKETED.sub("⁅", text) if "[" in text else text
