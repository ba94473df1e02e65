"""Errors of model calls, by what a caller can do about them.

InferenceError
├── Misconfigured      the endpoint's options are wrong: an operator must act
├── Unauthorized       the secret is missing or wrong, or may not use the model
├── Rejected           the model refuses this particular request (too long, filtered)
└── Unavailable        a retry may help
    ├── RateLimited    the server asks us to slow down
    ├── TimedOut       a deadline passed: first token, between tokens
    │   └── NotConnected    there was no connection in time, so the server read nothing
    └── BadReply       the server replied, but not in the format that it promises
"""


class InferenceError(Exception):
    """`str(error)` is a sentence for people. It never contains a secret or a prompt."""

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


class NotConnected(TimedOut): ...


class BadReply(Unavailable): ...
