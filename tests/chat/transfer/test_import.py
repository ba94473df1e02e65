"""Conversations come in as they were, once, and nothing of another site is believed."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import TestCase
from django.urls import reverse

from chat.answering.branches import Tree
from chat.asking.ratings import rate
from chat.asking.sessions import delete_all_sessions, delete_session
from chat.errors import ImportRefused
from chat.log.follow import last_seqs
from chat.models import Answer, Import, ImportedSession, Session, Turn
from chat.transfer import import_file, importer, json_stream
from tests import factories
from tests.guards.world import addresses

pytestmark = pytest.mark.django_db
AT_2024 = datetime(2024, 5, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def user():
    return factories.user()


def bring(user, content, name="conversations.json"):
    """Import the content to its end, as the worker does."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    row = importer.begin(user, ContentFile(data, name))
    with TestCase.captureOnCommitCallbacks(execute=True):
        importer.run(row.pk)
    row.refresh_from_db()
    return row


def exported(client, user, *path):
    client.force_login(user)
    return b"".join(client.get(reverse(*path)).streaming_content)


def zipped(**files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, str) else json.dumps(content))
    return packed.getvalue()


# --- our own format ------------------------------------------------------------------------------


@pytest.fixture
def branched(user):
    """A session of 2024 with an edited question, two versions of an answer, and a rating."""
    session = factories.session(
        user, title="My pumps", is_pinned=True, created_at=AT_2024, updated_at=AT_2024
    )
    passages = [{"document_title": "Pumps.pdf", "text": "Blue pumps", "page": 2, "title_path": ["Colours"]}]
    left = factories.answer(session, "old", text="left", created_at=AT_2024)
    right = session.turns.create(
        text="new", message_id="e", parent=None, created_at=AT_2024 + timedelta(minutes=1)
    )
    answer = Answer.objects.create(
        turn=right, endpoint_name="small", status="finished", text="Blue [1].", grounding="found",
        created_at=AT_2024, trace={"finish_reason": "length", "thinking": "Hm"},
    )  # fmt: skip
    for number, passage in enumerate(passages, 1):
        answer.passages.create(number=number, section=0, start=0, end=4, **passage)
    factories.version(answer, text="Green.")
    Answer.objects.filter(pk=answer.pk).update(chosen_at=AT_2024)
    rate(user, answer.pk, is_good=True)
    Turn.objects.filter(pk=left.turn_id).update(created_at=AT_2024)
    factories.turn(session, "and then?", created_at=AT_2024 + timedelta(hours=1))
    return session


def test_a_session_comes_back_as_it_was(client, user, branched):
    other = factories.user()
    row = bring(other, exported(client, user, "session-json", None, [branched.pk]))
    assert (row.status, row.added, row.already_here, row.error) == ("finished", 1, 0, "")
    assert row.left_out == {"ratings": 1}
    session = Session.objects.get(user=other)
    assert (session.title, session.is_pinned, session.naming) == ("My pumps", True, "own")
    assert session.created_at == session.updated_at.replace(hour=10, minute=12) == AT_2024
    assert session.pk != branched.pk
    old, new, then = session.turns.order_by("created_at")
    assert [old.text, new.text, then.text] == ["old", "new", "and then?"]
    assert (old.parent, new.parent, then.parent) == (None, None, new)
    assert (old.created_at, then.created_at) == (AT_2024, AT_2024 + timedelta(hours=1))
    assert Tree.of(session).path() == [new.pk, then.pk]
    blue, green = new.answers.all()
    assert [blue.text, green.text] == ["Blue [1].", "Green."]
    assert (blue.endpoint, blue.endpoint_name, blue.cost) == (None, "small", 0)
    assert blue.trace == {"finish_reason": "length", "thinking": "Hm"}
    assert blue.message_id is None
    assert green.message_id
    assert new.goes_on_with() == blue
    assert last_seqs([blue.pk]) == {blue.pk: 2}


def test_an_imported_passage_leads_to_no_document(client, user, branched):
    secret = factories.document(factories.workspace(), title="Secret.pdf", content=b"secret")
    said = json.loads(exported(client, user, "session-json", None, [branched.pk]))
    answers = [each for turn in said["sessions"][0]["turns"] for each in turn["answers"]]
    [passage] = [passage for answer in answers for passage in answer["passages"]]
    passage["documentId"] = str(secret.pk)
    other = factories.user()
    bring(other, said)
    answer = Answer.objects.get(turn__session__user=other, text="Blue [1].")
    found = answer.passages.get()
    assert (found.document, found.is_imported, found.text) == (None, True, "Blue pumps")
    assert answer.turn.workspace is None
    client.force_login(other)
    page = client.get(reverse("answer-passage", args=[answer.pk, 1])).content.decode()
    assert "came with an imported conversation" in page
    reply = client.get(reverse("api-answer", args=[answer.pk])).json()
    assert (reply["passages"][0]["isImported"], reply["passages"][0]["documentId"]) == (True, None)


def test_a_second_import_makes_no_doubles(client, user, branched):
    data = exported(client, user, "sessions-export")
    assert bring(user, data).already_here == 1, "the session itself is still here"
    other = factories.user()
    assert [bring(other, data).added, bring(other, data).already_here] == [1, 1]
    delete_session(other, Session.objects.get(user=other).pk)
    assert bring(other, data).added == 1, "it was deleted since"
    assert Session.objects.filter(user=other).count() == 1


def test_ids_of_the_file_name_nothing_here(user):
    foreign = factories.answer(factories.session(factories.user()), text="theirs")
    turn = {"id": str(foreign.turn_id), "parentId": str(foreign.turn_id), "text": "Mine?", "answers": []}
    said = {"format": "ragsite-conversations", "version": 1,
            "sessions": [{"id": str(foreign.turn.session_id), "turns": [turn]}]}  # fmt: skip
    row = bring(user, said)
    assert (row.added, row.left_out) == (1, {"unconnected": 1})
    assert Session.objects.get(user=user).turns.get().text == "Mine?"
    assert foreign.turn.session.turns.count() == 1


def test_what_is_withheld_is_neither_exported_nor_imported(client, user):
    workspace = factories.workspace()
    answer = factories.answer(
        factories.session(user), "ours?", workspace=workspace, text="Nobody may know [1].",
        passages=[{"document": factories.document(workspace), "text": "Secret words"}],
        trace={"thinking": "Secret thoughts"},
    )  # fmt: skip
    for path in (
        ("session-json", [answer.turn.session_id]),
        ("answer-json", [answer.pk]),
        ("sessions-export", []),
    ):
        data = exported(client, user, path[0], None, path[1])
        assert not [each for each in (b"Nobody", b"Secret", workspace.name.encode()) if each in data]
        assert b'"isWithheld": true' in data
    row = bring(factories.user(), data)
    assert (row.added, row.left_out) == (1, {"withheld": 1})


@pytest.mark.parametrize("odd", [None, [], {}, 5, "x", "\ud800", -1, 10**30, [[]], {"a": 1}])
def test_no_odd_value_breaks_an_import(user, odd):
    good: dict[str, Any] = {"id": "1", "title": "t", "createdAt": "2024-05-03T10:00:00Z", "turns": [
        {"id": "a", "parentId": None, "text": "Why?", "createdAt": "2024-05-03T10:00:00Z", "answers": [
            {"text": "So.", "model": "m", "lane": 0, "status": "finished", "passages": [{"number": 1, "text": "p"}]}]}]}  # fmt: skip
    places = [([], name) for name in good]
    places += [(["turns", 0], name) for name in good["turns"][0]]
    places += [(["turns", 0, "answers", 0], name) for name in good["turns"][0]["answers"][0]]
    places += [
        (["turns", 0, "answers", 0, "passages", 0], name) for name in ("number", "text", "page", "titlePath")
    ]
    sessions = []
    for number, (path, name) in enumerate(places):
        session = json.loads(json.dumps(good | {"id": str(number)}))
        at = session
        for step in path:
            at = at[step]
        at[name] = odd
        sessions.append(session)
    row = bring(user, {"format": "ragsite-conversations", "version": 1, "sessions": [*sessions, odd]})
    assert (row.status, row.error) == ("finished", "")
    assert row.done == len(places) + 1


# --- ChatGPT -------------------------------------------------------------------------------------


def node(
    id, parent, role=None, *parts, at=1_714_731_120.5, kind="text", children=None, recipient="all", **about
):
    message = {
        "author": {"role": role}, "content": {"content_type": kind, "parts": list(parts)}, "create_time": at,
        "metadata": about, "recipient": recipient,
    }  # fmt: skip
    linked = {} if children is None else {"children": children}
    return {id: {"id": id, "parent": parent, "message": message if role else None, **linked}}


def conversation(current, *nodes, **fields):
    mapping = {id: each for node in nodes for id, each in node.items()}
    return {"title": "Trip", "create_time": 1_714_731_120.5, "update_time": 1_714_732_000.0, "mapping": mapping,
            "current_node": current, "conversation_id": f"c-{current}"} | fields  # fmt: skip


def shown(session):
    """Return the texts of the path on the screen."""
    turns = [Turn.objects.get(pk=each) for each in Tree.of(session).path()]
    return [(turn.text, found.text if (found := turn.goes_on_with()) else "") for turn in turns]


TRIP = conversation(
    "a3",
    node("root", None, children=["sys"]),
    node("sys", "root", "system", "", at=None),
    node("hid", "sys", "user", "My profile", is_visually_hidden_from_conversation=True),
    node("q1", "hid", "user", "Where to go?"),
    node("a1", "q1", "assistant", "To Porto. \ue200cite\ue202turn0search1\ue201", model_slug="gpt-4o"),
    node("a1b", "q1", "assistant", "To Rome【4†source】."),
    node("sys2", "a1", "system", "mid-chain", at=None),
    node("q2", "sys2", "user", "How long?", at=None),
    node("call", "q2", "assistant", "search()", recipient="browser"),
    node("tool", "call", "tool", "results"),
    node("a2", "tool", "assistant", "Three days."),
    node("q2b", "a1", "user", "How far?", at=1_714_731_500),
    node("a3", "q2b", "assistant", "600 km."),
    node("q3", "a1b", "user", "And the food?", at=1_714_731_900),
    node("a4", "q3", "assistant", "Pasta.", at=1_714_731_901),
)


def test_the_path_of_the_current_node_is_shown_and_the_branches_stay(user):
    row = bring(
        user, zipped(**{"conversations-000.json": [TRIP], "user.json": {}, "a.png": "x"}), "export.zip"
    )
    assert (row.status, row.added) == ("finished", 1)
    assert row.left_out == {"hidden": 1, "tools": 2}
    session = Session.objects.get()
    assert session.title == "Trip"
    assert shown(session) == [("Where to go?", "To Porto."), ("How far?", "600 km.")]
    texts = {turn.text: turn for turn in session.turns.all()}
    assert set(texts) == {"Where to go?", "How long?", "How far?", "And the food?"}
    assert texts["How long?"].answers.get().text == "Three days."
    rome = texts["And the food?"].parent
    assert rome.text == "Where to go?"
    assert [each.text for each in rome.answers.all()] == ["To Rome."], "no path mixes two answers"
    assert texts["How far?"].parent.answers.get().endpoint_name == "gpt-4o"
    assert texts["How long?"].created_at.year == 2024, "a null time is that of the message before"


def test_versions_without_a_continuation_belong_to_one_question(user):
    tree = conversation(
        "a1", node("q", None, "user", "Why?"), node("a1", "q", "assistant", "One."),
        node("a2", "q", "assistant", "Two.", at=1_714_731_900),
    )  # fmt: skip
    bring(user, [tree])
    turn = Turn.objects.get()
    assert [each.text for each in turn.answers.all()] == ["One.", "Two."]
    assert turn.goes_on_with().text == "One."


def test_pictures_voice_and_thoughts(user):
    parts = [{"content_type": "image_asset_pointer", "asset_pointer": "file-service://x"}, "What is this?",
             {"content_type": "audio_transcription", "text": "And that?"}, {"content_type": "audio_asset_pointer"}]  # fmt: skip
    thoughts = node("t", "q", "assistant", kind="thoughts")
    thoughts["t"]["message"]["content"]["thoughts"] = [{"summary": "Look", "content": "A cat?"}]
    files = [{"mime_type": "application/pdf"}, {"mime_type": "image/png"}]
    tree = conversation(
        "a", node("q", None, "user", *parts, kind="multimodal_text", attachments=files), thoughts,
        node("a", "t", "assistant", "A cat.", finish_details={"type": "max_tokens"}),
    )  # fmt: skip
    row = bring(user, [tree])
    answer = Answer.objects.get()
    assert answer.turn.text == "[image]\n\nWhat is this?\n\nAnd that?"
    assert (answer.text, answer.trace) == ("A cat.", {"finish_reason": "length", "thinking": "A cat?"})
    assert row.left_out == {"pictures": 1, "recordings": 1, "files": 1}


def test_three_thousand_messages_in_a_chain(user):
    nodes = [node("0", None)]
    for number in range(1, 3001):
        nodes.append(
            node(
                str(number), str(number - 1), "user" if number % 2 else "assistant", f"say {number}", at=None
            )
        )
    row = bring(user, conversation("3000", *nodes))
    assert (row.added, row.left_out) == (1, {})
    session = Session.objects.get()
    assert len(Tree.of(session).path()) == Turn.objects.count() == 1500
    assert shown(session)[-1] == ("say 2999", "say 3000")


def test_a_broken_tree_loses_only_what_hangs_nowhere(user):
    tree = conversation(
        "gone", node("q", "missing", "user", "Why?"), node("a", "q", "assistant", "So.", at="soon"),
        node("x", "y", "user", "in a ring"), node("y", "x", "assistant", "in a ring"), {"odd": 5}, {"null": None},
        create_time=None, update_time="never", title=None, conversation_id=None,
    )  # fmt: skip
    row = bring(user, [tree, {"mapping": {}}, {"mapping": [], "title": "x"}, "text"])
    assert (row.added, row.done) == (1, 4)
    assert row.left_out == {"unconnected": 2, "empty_conversations": 1, "unreadable_conversations": 2}
    assert shown(Session.objects.get()) == [("Why?", "So.")]
    assert Session.objects.get().title == "Why?"
    assert bring(user, [tree]).already_here == 1


def test_a_conversation_that_repeats_itself_without_end_is_bounded(user):
    """A chain of answers with a question after each: every path repeats all answers before it."""
    nodes = [node("q", None, "user", "Why?")]
    for number in range(300):
        above = f"a{number - 1}" if number else "q"
        nodes += [
            node(f"a{number}", above, "assistant", "So. " * 100),
            node(f"q{number}", f"a{number}", "user", "And?"),
        ]
    row = bring(user, conversation("a299", *nodes))
    assert row.added == 1
    assert row.left_out["versions"] > 200
    assert Turn.objects.filter(text="Why?").count() == 40


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"[1", "no valid JSON"),
        (b"hello", "no valid JSON"),
        ("[]".encode("utf-16"), "no valid JSON"),
        (b"[" * 5000, "nested too deeply"),
        (b"[1" + b"0" * 5000 + b"]", "thousands of digits"),
        (b"[]", "no conversations that Ragsite can read"),
        (b"{}", "no conversations that Ragsite can read"),
        (b'[{"chat_messages": []}]', "no conversations that Ragsite can read"),
        (b'{"format": "ragsite-conversations", "version": 2, "sessions": []}', "up to version 1"),
        (b"PK\x03\x04 cut off", "damaged"),
        (zipped(**{"notes.txt": "x"}), "no conversations.json"),
        (zipped(**{"conversations.json": "[" + " " * 200_000_000 + "]"}), "unpacks to more"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_is_no_export_is_refused_in_words(user, content, sentence):
    row = bring(user, content)
    assert row.status == "failed"
    assert sentence in row.error
    assert not default_storage.exists(row.key)


def test_what_was_read_before_a_fault_stays(user):
    data = json.dumps([TRIP])[:-1] + ", {"
    row = bring(user, data.encode())
    assert (row.status, row.added) == ("failed", 1)
    assert "no valid JSON" in row.error


def test_a_byte_order_mark_and_a_bare_conversation_are_read(user):
    assert bring(user, b"\xef\xbb\xbf" + json.dumps(TRIP).encode()).added == 1


def test_shards_are_read_in_the_order_of_their_numbers(user):
    shards = {
        f"x/conversations-{number:03}.json": [TRIP | {"conversation_id": str(number)}]
        for number in (10, 2, 1)
    }
    files = import_file.json_files(io.BytesIO(zipped(**shards)))
    assert [each._name for each in files] == [f"x/conversations-{number:03}.json" for number in (1, 2, 10)]
    assert bring(user, zipped(**shards)).added == 3


def test_a_large_conversation_is_left_out_and_the_others_come_in(user, monkeypatch):
    monkeypatch.setattr(json_stream, "MOST_CHARACTERS", 5_000)
    large = conversation("q", node("q", None, "user", "x" * 6_000))
    row = bring(user, [large, TRIP])
    assert (row.added, row.left_out["large_conversations"]) == (1, 1)


# --- the worker ----------------------------------------------------------------------------------


def many(count):
    return [TRIP | {"conversation_id": str(number)} for number in range(count)]


def test_a_killed_worker_loses_and_repeats_nothing(user, monkeypatch):
    row = importer.begin(user, ContentFile(json.dumps(many(5)).encode(), "x.json"))
    store, stored = importer.store, []

    def die_at_the_third(*arguments):
        if len(stored) == 2:
            raise KeyboardInterrupt
        stored.append(store(*arguments))

    monkeypatch.setattr(importer, "store", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        importer.run(row.pk)
    importer.run(row.pk)
    assert Import.objects.get().done == 2, "its lease has not ended"
    monkeypatch.setattr(importer, "store", store)
    Import.objects.update(lease_until=AT_2024)
    importer.run(row.pk)
    found = Import.objects.get()
    assert (found.status, found.done, found.added, found.already_here) == ("finished", 5, 5, 0)
    assert Session.objects.count() == 5


def test_an_import_that_always_stops_its_worker_is_given_up(user):
    row = importer.begin(user, ContentFile(json.dumps(many(1)).encode(), "x.json"))
    Import.objects.update(status="running", fence=importer.MAX_CLAIMS, lease_until=AT_2024)
    importer.run(row.pk)
    assert Import.objects.get().status == "failed"
    assert "interrupted 4 times" in Import.objects.get().error


def test_a_fault_of_ours_is_said_and_keeps_what_is_done(user, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(importer, "store", fail)
    row = bring(user, many(1))
    assert (row.status, row.added) == ("failed", 0)
    assert "on our side" in row.error


def test_an_import_ends_when_its_user_deletes_all(user, monkeypatch):
    read = importer.read_file

    def delete_meanwhile(*arguments):
        for entry in read(*arguments):
            yield entry
            delete_all_sessions(user)

    monkeypatch.setattr(importer, "read_file", delete_meanwhile)
    row = importer.begin(user, ContentFile(json.dumps(many(3)).encode(), "x.json"))
    importer.run(row.pk)
    assert not Session.objects.exists()
    assert not Import.objects.exists()
    assert list(importer.clear_imports()) == [], "the file is too new to be sure"
    default_storage.delete(row.key)


def test_one_import_of_a_user_runs_at_a_time(user):
    first, second = (
        importer.begin(user, ContentFile(json.dumps(many(1)).encode(), "x.json")) for _ in range(2)
    )
    claimed = importer._claim(first.pk)
    assert claimed
    assert importer._claim(second.pk) is None
    for _ in range(3):
        importer.begin(user, ContentFile(b"[]", "x.json"))
    with pytest.raises(ImportRefused, match="waiting already"):
        importer.begin(user, ContentFile(b"[]", "x.json"))


def test_two_imports_of_the_same_conversation_cannot_both_store_it(user):
    bring(user, many(1))
    with pytest.raises(IntegrityError):
        ImportedSession.objects.create(session=factories.session(user), user=user, origin="chatgpt 0")


def test_old_imports_and_lost_files_are_cleared(user):
    row = bring(user, many(1))
    Import.objects.update(ended_at=row.ended_at - Import.KEPT)
    default_storage.save("imports/lost", ContentFile(b"x"))
    assert sum(importer.clear_imports()) == 1
    assert default_storage.exists("imports/lost"), "it may be an import that begins right now"
    default_storage.delete("imports/lost")


# --- the doors -----------------------------------------------------------------------------------


def test_the_page_takes_a_file_and_shows_what_became_of_it(client, user):
    client.force_login(user)
    sent = SimpleUploadedFile("<b>my.json", json.dumps([TRIP, 5]).encode())
    assert client.post(reverse("import"), {"file": sent}).status_code == 302
    assert 'hx-trigger="every 2s"' in client.get(reverse("import")).content.decode()
    importer.run(Import.objects.get().pk)
    page = client.get(reverse("import"), headers={"HX-Request": "true"}).content.decode()
    assert "every 2s" not in page
    assert "1 conversation imported." in page
    assert "1 entry that is no conversation of a known kind" in page
    assert "&lt;b&gt;my.json" in page
    refused = client.post(reverse("import"))
    assert (refused.status_code, "Choose a file." in refused.content.decode()) == (400, True)


def test_the_api_takes_a_file_and_says_what_became_of_it(client, user):
    client.force_login(user)
    reply = client.post(
        reverse("api-imports"), {"file": SimpleUploadedFile("x.json", json.dumps([TRIP]).encode())}
    )
    assert reply.status_code == 202
    importer.run(Import.objects.get().pk)
    found = client.get(reverse("api-import", args=[reply.json()["id"]])).json()
    assert (found["status"], found["added"], found["leftOutWords"]) == ("finished", 1, ["2 steps of tools", "1 hidden message"])  # fmt: skip
    assert client.get(reverse("api-imports")).json()["count"] == 1
    empty = client.post(reverse("api-imports"), {"file": SimpleUploadedFile("x.json", b"")})
    assert empty.status_code == 400


def test_a_file_over_the_limit_is_refused_with_what_to_do(user, settings):
    settings.IMPORT_MAX_BYTES = 1024 * 1024
    with pytest.raises(ImportRefused, match=r"larger than 1 MB.*conversations\.json"):
        importer.begin(user, ContentFile(b"x" * 1024 * 1024 + b"x", "x.json"))


def test_a_superseded_worker_stores_nothing_more(user, monkeypatch):
    read = importer.read_file

    def lose_the_lease(*arguments):
        for entry in read(*arguments):
            yield entry
            Import.objects.update(fence=9)

    monkeypatch.setattr(importer, "read_file", lose_the_lease)
    assert bring(user, many(3)).status == "running", "another worker does the rest"
    assert Session.objects.count() == 1


def test_operators_see_nothing_of_imported_answers(client, user):
    bring(user, [TRIP])
    client.force_login(factories.operator())
    for name in ("answer", "answerrating", "import"):
        page = client.get(reverse(f"admin:chat_{name}_changelist")).content.decode()
        assert not [each for each in ("Porto", "gpt-4o", "ChatGPT", "conversations.json") if each in page]


def test_an_imported_conversation_opens_at_every_address(client, user, branched):
    other = factories.user()
    bring(other, exported(client, user, "session-json", None, [branched.pk]))
    client.force_login(other)
    answer = Answer.objects.get(turn__session__user=other, text="Blue [1].")
    values = {
        "session_id": answer.turn.session_id,
        "answer_id": answer.pk,
        "turn_id": answer.turn_id,
        "number": 1,
    }
    for address in addresses():
        is_stream = address.name == "api-answer-events"  # it closes the connection of this test
        if (
            address.arguments
            and set(address.arguments) <= values.keys()
            and not (address.is_admin or is_stream)
        ):
            response = client.get(address.path({name: values[name] for name in address.arguments}))
            assert response.status_code in (200, 204, 405), (address.name, response.status_code)
