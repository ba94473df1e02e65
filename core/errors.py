"""The root of every family of errors that people are told about. Each app's `errors.py` holds its own tree."""


class DomainError(Exception):
    """`str(error)` is a sentence for people: what is wrong, and what to do. It holds no secret and no prompt.

    Errors of models have the same two promises: inference.errors.InferenceError.
    """

    retryable = False  # the same may succeed a little later
