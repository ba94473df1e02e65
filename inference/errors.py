"""What can go wrong with a model, as far as a caller can act on it.

InferenceError
├── Misconfigured      the endpoint's options are wrong: an operator must act
├── Unauthorized       the secret is missing, wrong or not allowed to use the model
├── Rejected           the model refuses this very request (too long, filtered)
└── Unavailable        trying again may help
    ├── RateLimited    it asks us to slow down
    ├── TimedOut       a deadline passed: connecting, first token, between tokens
    └── BadReply       it answered, but not in the language it promised
"""


class InferenceError(Exception):
    """`str(error)` is a sentence for people; it never holds a secret or a prompt."""

    retryable = False


class Misconfigured(InferenceError): ...


class Unauthorized(InferenceError): ...


class Rejected(InferenceError): ...


class Unavailable(InferenceError):
    retryable = True


class RateLimited(Unavailable):
    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TimedOut(Unavailable): ...


class BadReply(Unavailable): ...
