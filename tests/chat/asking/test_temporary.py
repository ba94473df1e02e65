"""Temporary chats: they work like others, are in no list, and leave no word when they end."""

import asyncio
import logging
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection, models
from django.test import Client
from django.utils import timezone
from redis import Redis

from chat.asking import ratings
from chat.asking.forks import fork_session
from chat.asking.sessions import TEMPORARY_TITLE, delete_session, session_for
from chat.asking.temporary import end_expired
from chat.asking.turns import Question, submit_async
from chat.log.follow import follow
from chat.models import (
    Answer,
    Folder,
    Import,
    IndexedText,
    SavedPrompt,
    Session,
    Summary,
    Tag,
    TemporaryUsage,
    Turn,
)
from chat.queue.runner import Runner
from core.db.threads import to_thread
from ragsite.cleaning.runs import CLEANINGS
from tests import factories
from tests.api.conftest import Api
from tests.chat.answering.test_answer import FEES, put
from tests.fakes.openai_server import Behaviour
from workspaces.models import Role

WORD, OTHER = "kwyjibo", "zyzzyva"  # of a temporary chat, and of another one

pytestmark = pytest.mark.django_db


def temporary(user, **fields):
    return factories.session(user, title=TEMPORARY_TITLE, temporary_until=Session.new_end(), **fields)


def expire(session):
    past = timezone.now() - timedelta(seconds=1)
    Session.objects.filter(pk=session.pk).update(temporary_until=past)


async def _answer_all():
    waiting = [answer async for answer in Answer.objects.filter(ended_at=None)]
    async with asyncio.timeout(20), Runner():
        for answer in waiting:
            async for _ in follow(answer.pk):
                pass


async def _ask_in_the_loop(user, question):
    """Ask as the socket does: the runner records the question with its claim."""
    async with asyncio.timeout(20), Runner():
        turn, begun = await submit_async(user, question)
        assert begun
        for answer in turn.first_answers():
            async for _ in follow(answer.pk):
                pass


# --- nothing stays --------------------------------------------------------------------------------


def tables_with(word):
    """Return the tables of the database, of all schemas of ours, that have the word in a row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname !~ '^(pg_|information_schema)'"
        )
        names = [name for (name,) in cursor.fetchall()]
        found = set()
        for name in names:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {name} AS t WHERE t::text ILIKE %s)", [f"%{word}%"])
            found |= {name} if cursor.fetchone()[0] else set()
    return found


def keys_with(word):
    """Return the keys of Valkey that have the word in their name or value."""
    server: Any = Redis.from_url(settings.CACHES["default"]["LOCATION"])
    found: list[Any] = []
    read = {
        b"string": server.get,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1),
        b"stream": server.xrange,
    }
    for key in server.scan_iter():
        value = read[server.type(key)](key)
        found += [key] if word in f"{key!r} {value!r}".lower() else []
    return found


def files_with(word):
    """Return the files of the data directory that have the word, log files included.

    PostgreSQL's own are left out: it overwrites the bytes of deleted rows later (docs/guide/operations.md).
    """
    folders = [settings.DATA_DIR, Path(settings.MEDIA_ROOT)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    ours = [path for path in files if settings.DATA_DIR / "postgres" not in path.parents]
    return [path for path in ours if word.encode() in path.read_bytes().lower()]


@pytest.fixture
def workspace(model):
    endpoint = factories.embedder(base_url=model.base_url, dimensions=384)
    workspace = factories.workspace(dimensions=384, embedder=endpoint)
    put(workspace, factories.document(workspace, title="Club rules.pdf").pk, [FEES])
    return workspace


@pytest.mark.django_db(transaction=True)
def test_a_temporary_chat_leaves_no_word(ask, model, workspace, caplog):
    caplog.set_level(logging.INFO)
    user = factories.member(workspace, Role.MANAGER)
    question = "What is the yearly fee for {}?"
    model.behaviour = Behaviour(text=f"The fee is 48 euros, {WORD} [1].")
    turn = ask(question.format(WORD), user=user, workspace_id=workspace.pk, is_temporary=True)
    asyncio.run(_answer_all())
    follow_up = Question(
        turn.session_id, "second", f"And the yearly fee for half a {WORD}?", workspace_id=workspace.pk
    )
    asyncio.run(_ask_in_the_loop(user, follow_up))
    model.behaviour = Behaviour(text=f"The fee is 48 euros, {OTHER} [1].")
    ordinary = ask(question.format(OTHER), user=user, workspace_id=workspace.pk)
    asyncio.run(_answer_all())
    session, answers = turn.session, Answer.objects.filter(turn__session=turn.session)
    assert {answer.status for answer in answers} == {"finished"}
    assert turn.answers.get().passages.exists()
    assert answers.count() == 2
    ratings.rate(user, answers[0].pk, is_good=False, comment=f"Not about {WORD}")
    Summary.objects.create(session=session, text=f"About {WORD}.", last_turn=turn)
    _use_all_doors(user, session, answers[0])
    with pytest.raises(IntegrityError):  # PostgreSQL logs neither the statement nor the row
        Turn.objects.create(**{"session": session, "message_id": None, "text": WORD})
    rows = {"chat_turn", "chat_answer", "chat_answerevent", "chat_answerrating", "chat_summary"}
    assert tables_with(WORD) == {f"public.{name}" for name in rows}, "or the search below proves nothing"
    assert keys_with(OTHER), "a search is cached, or the search below proves nothing"
    assert Api(user)("DELETE", f"sessions/{session.pk}").status_code == 204
    assert tables_with(WORD) == set()
    assert keys_with(WORD) == []
    assert files_with(WORD) == []
    ours = [each.getMessage() for each in caplog.records if not each.name.startswith("aiohttp.access")]
    assert WORD not in "\n".join(ours)
    assert tables_with(OTHER) >= {"public.chat_session", "public.chat_turn"}
    assert Session.objects.get() == ordinary.session


def _use_all_doors(user, session, answer):
    """Read the chat at every door that might write something down."""
    api, pages = Api(user), Client()
    pages.force_login(user)
    replies = [api("GET", f"sessions/{session.pk}"), api("GET", f"answers/{answer.pk}/trace")]
    replies += [pages.get(path) for path in (f"/chat/{session.pk}/", f"/answers/{answer.pk}/why/")]
    replies.append(pages.post(f"/answers/{answer.pk}/replay/"))
    assert {each.status_code for each in replies} == {200}


def test_all_words_of_a_chat_are_in_rows_that_are_deleted_with_it():
    """A model of the chat with words of its own, that would stay, needs `Session.keeps_words`."""
    wordless, written_by_hand = {TemporaryUsage}, {SavedPrompt, Folder, Tag, Import}
    asking = {IndexedText}  # chat.finding.text_index asks Session.keeps_words
    reached: set[Any] = set()
    waiting: list[Any] = [Session]
    while waiting:
        owner = waiting.pop()
        owned = [
            each.related_model
            for each in owner._meta.related_objects
            if each.on_delete is models.CASCADE and each.related_model not in reached
        ]
        reached |= {owner, *owned}
        waiting += owned
    texts = (models.TextField, models.CharField, models.JSONField)
    holding = {
        model
        for model in apps.get_app_config("chat").get_models()
        if any(isinstance(field, texts) for field in model._meta.fields)
    }
    assert holding <= reached | wordless | written_by_hand | asking


# --- its life -------------------------------------------------------------------------------------


def test_it_is_in_no_list_and_no_search_and_has_no_title_of_its_words(ask, asker):
    turn = ask(f"What is {WORD}?", is_temporary=True)
    assert Session.objects.get().title == TEMPORARY_TITLE
    api, pages = Api(asker), Client()
    pages.force_login(asker)
    assert api("GET", "sessions").json()["results"] == []
    Answer.objects.update(status="finished", text="A pump.")
    ratings.rate(asker, Answer.objects.get().pk, is_good=True)
    for path in ("/", f"/chat/sessions/?q={WORD}", "/chat/sessions/", f"/chat/sessions/?q={TEMPORARY_TITLE}"):
        page = pages.get(path).content.decode()
        assert str(turn.session_id) not in page
        assert f"What is {WORD}" not in page


def test_its_page_says_so_and_offers_no_sharing(ask, asker):
    session = ask("What is a pump?", is_temporary=True).session
    pages = Client()
    pages.force_login(asker)
    page = pages.get(f"/chat/{session.pk}/").content.decode()
    assert "Not saved" in page
    assert "data-share-open" not in page
    refused = Api(asker)("POST", f"sessions/{session.pk}/shared-links", {})
    assert "A temporary chat cannot be shared" in str(refused.json())


def test_operators_see_nothing_of_it_but_what_it_cost(ask, asker):
    session = temporary(asker)
    answer = factories.answer(session, text=WORD, endpoint_name="small", cost="0.25", output_tokens=7)
    ratings.rate(asker, answer.pk, is_good=True, comment=WORD)
    pages = Client()
    pages.force_login(factories.operator())
    for name in ("answer", "answerrating", "session"):
        page = pages.get(f"/admin/chat/{name}/").content.decode()
        assert asker.username not in page
        assert WORD not in page
    assert pages.get(f"/admin/chat/answer/{answer.pk}/change/").status_code == 302
    Api(asker)("DELETE", f"sessions/{session.pk}")
    page = pages.get("/admin/chat/temporaryusage/").content.decode()
    assert asker.username in page
    assert "0.25" in page
    assert "in temporary chats that have ended" in pages.get("/admin/").content.decode()


def test_no_export_holds_it(asker, capsys, tmp_path):
    factories.answer(temporary(asker), f"What is {WORD}?", text=WORD)
    call_command("export_traces")
    call_command("export_person", asker.username, str(tmp_path / "a.zip"))
    assert WORD not in capsys.readouterr().out
    with ZipFile(tmp_path / "a.zip") as archive:
        assert WORD not in "".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.parametrize("door", ["api", "page", "sign of life", "question"])
def test_a_sign_of_life_lets_it_live_on(ask, asker, door):
    session = temporary(asker)
    Session.objects.filter(pk=session.pk).update(temporary_until=timezone.now() + timedelta(seconds=9))
    pages = Client()
    pages.force_login(asker)
    doors = {
        "api": lambda: Api(asker)("GET", f"sessions/{session.pk}"),
        "page": lambda: pages.get(f"/chat/{session.pk}/"),
        "sign of life": lambda: pages.post(f"/chat/{session.pk}/alive/"),
        "question": lambda: ask("And now?", session_id=session.pk),
    }
    doors[door]()
    session.refresh_from_db()
    assert session.temporary_until > timezone.now() + Session.LIFETIME - timedelta(minutes=1)
    assert session.title == TEMPORARY_TITLE


def test_after_its_end_no_door_opens_it_and_nothing_brings_it_back(ask, asker):
    session = temporary(asker)
    factories.answer(session)
    expire(session)
    pages = Client()
    pages.force_login(asker)
    assert Api(asker)("GET", f"sessions/{session.pk}").status_code == 404
    assert pages.get(f"/chat/{session.pk}/").status_code == 404
    assert pages.post(f"/chat/{session.pk}/alive/").status_code == 404
    with pytest.raises(Exception, match="There is no such session"):
        ask("And now?", session_id=session.pk)
    assert Turn.objects.count() == 1


def test_the_cleaning_deletes_what_has_ended_and_nothing_else(asker):
    ended, alive, ordinary = temporary(asker), temporary(asker), factories.session(asker)
    for session in (ended, alive, ordinary):
        factories.answer(session, input_tokens=5)
    expire(ended)
    assert sum(end_expired()) == 1
    assert set(Session.objects.all()) == {alive, ordinary}
    assert TemporaryUsage.objects.get().input_tokens == 5
    assert CLEANINGS["temporary-chats"].parts is end_expired
    assert settings.CLEANINGS["temporary-chats"] <= 60


def test_a_logout_ends_it(asker):
    factories.answer(temporary(asker), text=WORD)
    factories.answer(factories.session(asker), text=OTHER)
    other = temporary(factories.user())
    pages = Client()
    pages.force_login(asker)
    pages.post("/logout/")
    assert set(Answer.objects.values_list("text", flat=True)) == {OTHER}
    assert Session.objects.filter(pk=other.pk).exists()


def test_what_an_answer_has_used_is_kept_also_if_it_was_still_being_written(ask, asker, endpoint):
    endpoint.input_price, endpoint.output_price = Decimal(1), Decimal(1)
    endpoint.save()
    answer = ask("What is a pump?", is_temporary=True).answers.get()
    Answer.objects.filter(pk=answer.pk).update(status="running", fence=1)
    for seq, (kind, data) in enumerate(
        [("started", {"model": "m", "fence": 1}), ("delta", {"text": "A pump moves water. " * 9})], 2
    ):
        answer.events.create(seq=seq, kind=kind, data=data)
    Api(asker)("DELETE", f"sessions/{answer.turn.session_id}")
    used = TemporaryUsage.objects.get()
    assert (used.user, used.endpoint_name) == (asker, endpoint.name)
    assert used.input_tokens > 0
    assert used.output_tokens > 20
    assert used.cost > 0


def test_a_program_begins_a_temporary_session(asker):
    api = Api(asker)
    made = api("POST", "sessions", {"temporary": True}).json()
    assert (made["temporary"], made["title"]) == (True, TEMPORARY_TITLE)
    assert session_for(asker, made["id"]).is_temporary
    assert api("GET", f"sessions/{made['id']}").json()["temporary"] is True
    assert api("POST", "sessions", {}).json()["temporary"] is False


@pytest.mark.django_db(transaction=True)
async def test_ending_it_while_an_answer_is_written_leaves_no_word(ask, model):
    model.behaviour = Behaviour(text=f"{WORD} " * 300, between_tokens_s=0.01)
    turn = await to_thread(ask)("What is it?", is_temporary=True)
    answer_id, session = turn.just_recorded[0].pk, turn.session
    async with asyncio.timeout(20), Runner():
        async for event in follow(answer_id):
            if event.kind == "delta":
                break
        await to_thread(delete_session)(session.owner, session.pk)
        await asyncio.sleep(0.5)  # in which the runner notices
    assert await to_thread(tables_with)(WORD) == set()
    assert (await TemporaryUsage.objects.aget()).output_tokens > 0


def test_a_fork_of_it_is_temporary_too(asker):
    answer = factories.answer(temporary(asker), text=WORD)
    fork = fork_session(asker, answer.pk)
    assert fork.is_temporary
    assert fork.title == TEMPORARY_TITLE
