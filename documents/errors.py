"""What can go wrong with documents. Plain Python: the parser's process raises some of these.

DocumentError
├── DocumentRefused      what was to be added or changed cannot be taken as it is
├── NotAccepted          it is no kind of file that we read; the sentence stands after the file's name
├── NothingUploaded      an upload is to be completed, and nothing has arrived
├── Unreadable           there is no text to be had from a file
├── ParserGone           the parser's process ended, twice, without a word about the file
├── Unwanted             its caller lost the claim to the document while its file was being read
├── ReindexRefused       no new index was begun
├── RetrievalFailed      no retriever could answer
├── Forbidden            an address on the web that we do not go to
└── NotFetched           nothing came back from the web that can be used; `retryable` is each one's own
    ├── TryLater         the server says when
    └── Gone             the server knows that there is no such page
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
    """least_s: how long the server asks us to wait, in seconds; 0 where it did not say."""

    def __init__(self, sentence: str, least_s: int) -> None:
        super().__init__(sentence, retryable=True)
        self.least_s = least_s


class Gone(NotFetched): ...
