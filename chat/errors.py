"""What can go wrong between a question and its answer.

ChatError
├── QuestionRefused    a question, a regeneration, a rating or a choice cannot be taken as it is
├── UnknownModel       nobody offers this user a model of that name
├── BadFrame           a message on the socket was not understood; `message_id` is the one it named, or ""
├── CannotBegin        what the question needs is not there any more
├── PromptTooLong      the prompt does not fit the model
├── CannotReplay       an answer's search cannot be made again
└── NotAllowed         a reader may not read on: signed out, disabled, or the key was revoked
"""

from core.errors import DomainError


class ChatError(DomainError): ...


class QuestionRefused(ChatError): ...


class UnknownModel(ChatError): ...


class BadFrame(ChatError):
    def __init__(self, sentence: str, message_id: str = "") -> None:
        super().__init__(sentence)
        self.message_id = message_id


class CannotBegin(ChatError): ...


class PromptTooLong(ChatError): ...


class CannotReplay(ChatError): ...


class NotAllowed(ChatError): ...
