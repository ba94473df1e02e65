"""The exceptions of this app. Plain Python: the parser process raises some of these.

DocumentError
├── DocumentRefused      a document cannot be added or changed like this
├── NotAccepted          Ragsite does not read this kind of file; the sentence follows the file's name
├── NothingUploaded      an upload is completed before its file has arrived
├── Unreadable           no text can be extracted from a file
├── ParserGone           the parser process ended twice without a result for the file
├── Unwanted             the caller lost its claim to the document while the file was being read
├── ReindexRefused       a new index could not be started
├── RetrievalFailed      no retriever could answer
├── Forbidden            a URL that the crawler must not fetch
└── NotFetched           the web returned nothing usable; each instance sets its own `retryable`
    ├── TryLater         the server says when to retry
    ├── LoginRequired    the server requires a login for the page
    └── Gone             the server says that the page does not exist
"""

from core.errors import DomainError


class DocumentError(DomainError): ...


class DocumentRefused(DocumentError): ...


class NotAccepted(DocumentError): ...


class NothingUploaded(DocumentError):
    retryable = True


class Unreadable(DocumentError): ...


class ParserGone(DocumentError):
    retryable = True


class Unwanted(DocumentError): ...


class ReindexRefused(DocumentError): ...


class RetrievalFailed(DocumentError):
    retryable = True


class Forbidden(DocumentError): ...


class NotFetched(DocumentError):
    def __init__(self, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(sentence)
        self.retryable = retryable


class TryLater(NotFetched):
    """least_s: how long the server asks us to wait, in seconds; 0 if it does not say."""

    def __init__(self, sentence: str, least_s: int) -> None:
        super().__init__(sentence, retryable=True)
        self.least_s = least_s


class LoginRequired(NotFetched): ...


class Gone(NotFetched): ...
