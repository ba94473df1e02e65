"""Base class of all errors that users see. Each app's `errors.py` holds its own hierarchy."""


class DomainError(Exception):
    """`str(error)` is a sentence for people: what is wrong, and what to do.

    It contains no secret and no prompt.

    Errors of models make the same promises: inference.errors.InferenceError.
    """

    retryable = False  # the same operation may succeed a little later
