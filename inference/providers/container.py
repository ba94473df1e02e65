"""Client of our model container at its own address: SageMaker's endpoint contract over plain HTTP."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from inference.options import BatchSize, HttpAddress, Options
from inference.tokens import estimate_usage
from inference.types import Embeddings, EndpointSpec, Scores, TextRole
from inference.wire import embed_rerank

if TYPE_CHECKING:
    from inference.http import Http


class ContainerOptions(Options):
    url: HttpAddress = Field(
        title="Address",
        description="Address of the container without /invocations, e.g. http://127.0.0.1:8080.",
    )
    batch_size: BatchSize = 32


class _Container:
    def __init__(self, spec: EndpointSpec, options: ContainerOptions, http: "Http") -> None:
        self.batch_size = options.batch_size
        self._http = http
        self._url = f"{options.url}/invocations"


class ContainerEmbedder(_Container):
    async def embed(self, texts: Sequence[str], role: TextRole) -> Embeddings:
        reply = await self._http.post(self._url, embed_rerank.embeddings_request(texts, role))
        return Embeddings(embed_rerank.read_embeddings(reply), estimate_usage(*texts))


class ContainerReranker(_Container):
    async def score(self, query: str, passages: Sequence[str]) -> Scores:
        reply = await self._http.post(self._url, embed_rerank.scores_request(query, passages))
        return Scores(embed_rerank.read_scores(reply), estimate_usage(*[query] * len(passages), *passages))
