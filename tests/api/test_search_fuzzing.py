"""Questions as hypothesis makes them up: quotes, minus signs, symbols, scripts, pictures, marks, thousands of words."""

import asyncio

import pytest
from django.conf import settings
from hypothesis import HealthCheck, example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from inference.connect import open_embedder
from tests import factories
from tests.api.conftest import Api
from workspaces.engines import NewChunk, engine_for
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

TEXTS = [
    "The outlet pressure of the pump ERR_42 is six bar; run java -jar pump.jar C++ 🔴.",
    "Der Ersatzschlüssel liegt im Schrank »Nord« der Feuerwehrzufahrt.",
    "Ключ лежит в шкафу у двери. Ёлка.",
    "会議室の鍵は受付にあります。仓库在办公室",
    "กุญแจอยู่ในตู้ข้างประตู यह चाबी है। ١٢٣",
    f"{' '.join(f'word{n}' for n in range(2500))}",
]
LANGUAGES = ["auto"]  # six of them, as the texts are
WORDS = st.sampled_from(
    [
        "pump",
        "-pump",
        "--all",
        "-la",
        "key",
        "Schlüssel",
        "»Nord«",
        "ключ",
        "鍵",
        "会議室",
        "กุญแจ",
        "चाबी",
        "١٢٣",
        "C++",
        ".NET",
        "java",
        "🔴",
        "👩\u200d💻",
        "12",
        "000",
        "don't",
        "İSI",
        "e-mail",
        "the",
        "IT",
    ]
)
SIGNS = st.sampled_from(
    [
        *"\"'`´„“”«»「」‹›-−–—()[]{}<>|&!:*?%_\\/;,.@#$~^=+ \t\n\r\x0b\x85\u2028",
        "<->",
        "' OR 1=1 --",
        "\\'",
        "$$",
        "%s",
        "{0}",
    ]
)
INVISIBLE = st.sampled_from(
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u0301\u064b\u094d\ufe0f\u0000\u001f\ue000\ufffd\U000e0041"
)
QUESTIONS = st.lists(WORDS | SIGNS | INVISIBLE | st.text(max_size=8) | st.just(" "), min_size=1, max_size=30).map("".join)  # fmt: skip


def letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}")


@pytest.fixture
def workspace(server) -> Workspace:
    embedder = factories.embedder(base_url=server.base_url, dimensions=384)
    workspace = factories.workspace(embedder=embedder, languages=LANGUAGES)
    document = factories.document(workspace, title="notes.md")

    async def embed() -> list[list[float]]:
        async with open_embedder(workspace.embedder.spec()) as embedder:
            return (await embedder.embed(TEXTS, "passage")).vectors

    engine = engine_for(workspace)
    chunks = [NewChunk(i, text, text.encode(), i, 0, len(text)) for i, text in enumerate(TEXTS)]
    engine.stage(document.pk, chunks, asyncio.run(embed()))
    engine.publish(document.pk, len(TEXTS))
    return workspace


@pytest.fixture
def program(workspace: Workspace) -> Api:
    return Api(factories.member(workspace))


@given(QUESTIONS)
@example(" ".join(f"word{n}" for n in range(2500))[:20_000])  # known words
@example(" ".join(letters(n) for n in range(2500)))  # unknown ones
@example('"' + " ".join(letters(n) for n in range(2500)) + '"')
@example('"' + '" "'.join(letters(n) for n in range(2000)) + '"')
@example("-" + " -".join(letters(n) for n in range(39)))
@example('pump -"' + "".join(chr(0x4E00 + n) for n in range(2_000)) + '"')
@example("「" + "」「".join(chr(0x4E00 + n) for n in range(1_000)) + "」")
@example("".join(chr(0x4E00 + n) for n in range(5_000)))
@example("🔴" * 2_000)
@example("x" * 20_000)
@example("pump\u0000")
@example("pump\ud800")
@example("'")
@example("\\")
@example("\u200b")
@how(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_question_is_answered_or_refused_in_words(
    program: Api, workspace: Workspace, question: str
) -> None:
    assert len(question) <= settings.QUESTION_MAX_CHARACTERS
    reply = program("POST", "semantic-search", {"workspaceId": str(workspace.pk), "query": question})
    if reply.status_code != 200:
        assert reply.status_code == 400
        assert reply.json().keys() in ({"query"}, {"detail"})
