"""Base class of all errors that users see. Each app's `errors.py` holds its own hierarchy."""


class DomainError(Exception):
    """`str(error)` is a sentence for people: what is wrong, and what to do.

    It contains no secret and no prompt.

    Errors of models make the same promises: inference.errors.InferenceError.
    """

    retryable = False  # the same operation may succeed a little later


class Busy(DomainError):
    """This process has too much to do at the moment. Nothing was started and nothing is lost."""

    retryable = True
    retry_after_s = 5

    def __init__(
        self,
        sentence: str = "Too many people are waiting right now. Nothing is lost: try again in a moment.",
    ) -> None:
        super().__init__(sentence)
