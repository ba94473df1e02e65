"""The errors of the chat app.

ChatError
├── QuestionRefused    a question, a title, a regeneration, a rating or a choice of answer is not valid
├── NameRefused        the name of a folder or a tag is not valid, or there are too many
├── UnknownModel       this user cannot use a model of that name
├── BadFrame           a socket frame is malformed; `message_id` is the id that it gave, or ""
├── CannotBegin        something that the question needs no longer exists
├── PromptTooLong      the prompt does not fit the model's context
├── ImportRefused      a file of conversations cannot be read, or is too large
├── CannotReplay       the search of an answer cannot be replayed
├── SharingRefused     a conversation cannot be shared, or not in this way
└── NotAllowed         the reader lost access: signed out, disabled, or the API key was revoked
"""

from core.errors import DomainError


class ChatError(DomainError): ...


class QuestionRefused(ChatError): ...


class NameRefused(ChatError): ...


class UnknownModel(ChatError): ...


class BadFrame(ChatError):
    def __init__(self, sentence: str, message_id: str = "") -> None:
        super().__init__(sentence)
        self.message_id = message_id


class CannotBegin(ChatError): ...


class PromptTooLong(ChatError): ...


class ImportRefused(ChatError): ...


class CannotReplay(ChatError): ...


class SharingRefused(ChatError): ...


class NotAllowed(ChatError): ...
