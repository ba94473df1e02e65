"""What is known of documents: declared, said, inherited, found in files, and filtered by at each door."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import import_module
from pathlib import Path
from threading import Event
from time import sleep
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.http import QueryDict
from django.test import Client

from accounts.models import AuditEvent
from documents.access import documents_for, where_for
from documents.adding import service as intake
from documents.errors import DocumentRefused
from documents.fields import definitions as fields
from documents.fields.filters import conditions_of, filters_in, in_words, inputs_of, matching
from documents.fields.metadata import MetadataChange, parse_change, update_metadata
from documents.ingestion.ingest import ingest, ingest_item
from documents.ingestion.restart import restart
from documents.models import Address, Document
from documents.reindex import service as reindex
from documents.sources.crawl import crawled_pages
from documents.sources.service import add_website
from tests import factories
from tests.documents.conftest import DIMENSIONS, embedded
from tests.documents.ingestion.test_ingest_command import run
from tests.documents.parsing import files
from tests.fakes.openai_server import OpenAIServer
from workspaces.access_levels import name_levels
from workspaces.engines import Where, engine_for
from workspaces.errors import InvalidValue
from workspaces.models import Membership, Role, Workspace

ANYTHING = [1.0] * DIMENSIONS


@pytest.fixture
def declared(workspace: Workspace) -> Workspace:
    for label, kind, more in (
        ("Department", "text", {"choices": ["Legal", "HR"]}),
        ("Region", "text", {}),
        ("Date", "date", {"source": "date"}),
        ("Release", "version", {}),
        ("Pages", "number", {}),
        ("Draft", "yes_no", {}),
    ):
        fields.declare(workspace, None, label=label, type=kind, **more)
    return workspace


def put(workspace: Workspace, text: str, **said: Any) -> Document:
    document = intake.add_text(
        workspace, None, f"{text}.md", text, is_markdown=True, about=parse_change(workspace, None, said)
    )
    ingest(document.pk)
    document.refresh_from_db()
    assert document.status == "ready", document.error
    return document


def searched(workspace: Workspace, filters: Any) -> set[str]:
    """Return the texts of what a search finds; the list of documents finds the same ones."""
    operator = factories.operator()
    where = where_for(operator, workspace, filters)
    found = engine_for(workspace).search_dense(ANYTHING, 50, where)
    rows = matching(documents_for(operator, workspace), workspace, filters)
    assert {hit.document_id for hit in found} == set(rows.values_list("pk", flat=True))
    return {hit.text for hit in found}


@pytest.fixture
def corpus(declared: Workspace) -> Workspace:
    put(declared, "old law", department="legal", date="2020-05-01", release="1.9", pages=12)
    put(declared, "new law", department="Legal", date="2024-01-31", release="v1.10", pages="3.5", draft=True)
    put(declared, "rules", department="HR", region="Île-de-France", release="2.0-beta", draft="no")
    put(declared, "plain")
    return declared


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, {"old law", "new law", "rules", "plain"}),
        ({"department": "legal"}, {"old law", "new law"}),
        ({"department": ["LEGAL", "hr"]}, {"old law", "new law", "rules"}),
        ({"department": {"not": "HR"}}, {"old law", "new law", "plain"}),
        ({"region": "île-de-france"}, {"rules"}),
        ({"date": {"from": "2020-05-01", "to": "2023-12-31"}}, {"old law"}),
        ({"date": {"to": "2024-01-31", "not": "2020-05-01"}}, {"new law"}),
        ({"release": {"from": "1.10"}}, {"new law", "rules"}),
        ({"release": "1.10.0"}, {"new law"}),
        ({"pages": {"from": 3, "to": "4"}}, {"new law"}),
        ({"draft": False}, {"rules"}),
        ({"draft": {"not": True}}, {"old law", "rules", "plain"}),
        ({"department": "legal", "draft": "yes"}, {"new law"}),
        ({"type": "text"}, {"old law", "new law", "rules", "plain"}),
        ({"type": ["pdf", "docx"]}, set()),
        ({"type": {"not": "text"}}, set()),
        ({"language": "de"}, set()),
        ({"language": {"not": "de"}}, {"old law", "new law", "rules", "plain"}),
        ({"added": {"from": "2020-01-01"}, "modified": {"to": "2999-12-31"}}, {"old law", "new law", "rules", "plain"}),
        ({"added": {"to": "2020-01-01"}}, set()),
        ({"access_level": {"to": 0}}, {"old law", "new law", "rules", "plain"}),
        ({"region": "' OR true; --"}, set()),
    ],
    ids=lambda each: str(sorted(each)) if isinstance(each, set) else str(each),
)  # fmt: skip
def test_a_search_and_the_list_keep_to_the_filter(corpus: Workspace, filters: Any, found: set[str]) -> None:
    assert searched(corpus, filters) == found


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        (
            {"departmant": "x"},
            "There is no field 'departmant' here. Choose one of: department, region, date, release",
        ),
        ({"'; DROP TABLE x; --": "x"}, "There is no field"),
        ({"department": "Sales"}, "department must be one of: Legal, HR."),
        ({"department": {"from": "HR"}}, "department has no order"),
        ({"department": []}, "department takes 1 to 100 values"),
        (
            {"department": {}},
            'department takes a value, a list of values, or an object with "from", "to" and "not".',
        ),
        ({"department": {"like": "L"}}, "department takes a value"),
        ({"date": "soon"}, "date must be a date"),
        ({"date": {"from": ["2024-01-01", "2024-01-02"]}}, 'date: "from" takes one value'),
        ({"date": None}, "date must be a date"),
        ({"type": "exe"}, "type must be one of: pdf, docx"),
        ({"language": "fr"}, "language must be one of: en, de."),
        ({"pages": [[1]]}, "pages must be a number"),
        ([1], "Filters are an object"),
    ],
    ids=str,
)
def test_a_filter_that_fits_nothing_is_told_what_would(
    declared: Workspace, filters: Any, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as problem:
        where_for(factories.operator(), declared, filters)
    assert sentence in str(problem.value)


def test_a_form_says_the_same_as_the_json(corpus: Workspace) -> None:
    filters = {"department": ["Legal", "HR"], "date": {"from": "2024-01-01"}}
    assert inputs_of(filters) == [
        ("f.department", "Legal"),
        ("f.department", "HR"),
        ("f.date.from", "2024-01-01"),
    ]
    assert in_words(filters) == "department Legal or HR; date from 2024-01-01"
    client = Client()
    client.force_login(factories.member(corpus))
    shown = client.get(f"/workspaces/{corpus.pk}/", dict(inputs_of({"department": ["HR"]}))).content.decode()
    assert "rules.md" in shown
    assert "plain.md" not in shown
    assert 'value="HR" checked' in shown


@pytest.mark.parametrize(
    ("filters", "inputs"),
    [
        ({"region": {"not": ["us", "eu"]}}, ['name="f.region.not" value="us" checked', 'value="eu" checked']),
        ({"department": {"not": "HR"}}, ['name="f.department.not" value="HR" checked', 'value="HR">']),
        (
            {"date": {"not": "2020-05-01", "from": "2020-01-01"}},
            ['name="f.date.not" value="2020-05-01" checked', 'name="f.date.from" value="2020-01-01"'],
        ),
        ({"pages": 12}, ['name="f.pages" value="12" checked']),
        ({"region": ["EU", "US"]}, ['name="f.region" value="EU"', 'value="US" checked']),
        ({"department": "legal"}, ['name="f.department" value="Legal" checked']),
        ({"draft": False}, ['name="f.draft" value="no" checked']),
        ({"type": {"not": "text"}}, ['name="f.type.not" value="text" checked']),
    ],
    ids=str,
)
def test_a_form_says_all_of_a_filter(corpus: Workspace, filters: Any, inputs: list[str]) -> None:
    """So that nothing of it is lost when something else in the form is changed and it is sent again."""
    client, query = Client(), QueryDict(mutable=True)
    client.force_login(factories.member(corpus))
    for name, value in inputs_of(filters):
        query.appendlist(name, value)
    assert conditions_of(corpus, filters_in(query)) == conditions_of(corpus, filters)
    shown = client.get(f"/workspaces/{corpus.pk}/search/?{query.urlencode()}").content.decode()
    for each in inputs:
        assert each in shown
    assert '<details class="fold filter-fold" open>' in shown


def test_a_filter_that_says_two_things_at_once_is_refused(corpus: Workspace) -> None:
    said = filters_in(QueryDict("f.region=eu&f.region.not=us"))
    with pytest.raises(InvalidValue, match="region takes a value, a list of values, or an object"):
        conditions_of(corpus, said)


def test_a_wrong_filter_in_an_address_is_told_and_left_out(corpus: Workspace) -> None:
    client = Client()
    client.force_login(factories.member(corpus))
    shown = client.get(f"/workspaces/{corpus.pk}/", {"f.date.from": "soon"}).content.decode()
    assert "date must be a date, such as 2024-01-31." in shown
    assert "plain.md" in shown
    shown = client.get(f"/workspaces/{corpus.pk}/search/", {"q": "law", "f.nothing": "x"}).content.decode()
    assert "There is no field" in shown


def test_describing_embeds_nothing_and_holds_at_once(corpus: Workspace, embeddings: OpenAIServer) -> None:
    plain, user = corpus.documents.get(title="plain.md"), factories.operator()
    before, asked = engine_for(corpus).chunks(plain.pk, 5), len(embedded(embeddings))
    count = update_metadata(
        corpus, user, [plain.pk], parse_change(corpus, user, {"department": "HR", "region": "Bayern"})
    )
    assert count == 1
    assert searched(corpus, {"department": "hr"}) == {"rules", "plain"}
    update_metadata(corpus, user, [plain.pk], parse_change(corpus, user, {"department": ""}))
    plain.refresh_from_db()
    assert plain.metadata == {"region": "Bayern"}
    assert searched(corpus, {"department": "hr"}) == {"rules"}
    assert engine_for(corpus).chunks(plain.pk, 5) == before
    assert len(embedded(embeddings)) == asked
    assert AuditEvent.objects.filter(action="document.describe").count() == 2


def test_the_next_index_knows_what_was_said_meanwhile(corpus: Workspace) -> None:
    building = reindex.start(corpus, None, chunk_size=150)
    items = {item.document.title: item for item in building.items.select_related("document")}
    ingest_item(items["plain.md"].pk)
    plain, rules = items["plain.md"].document, items["rules.md"].document
    update_metadata(corpus, None, [plain.pk, rules.pk], MetadataChange({"region": "Bayern"}))
    for item in building.items.exclude(pk=items["plain.md"].pk):
        ingest_item(item.pk)
    reindex.advance(building)
    corpus.refresh_from_db()
    assert corpus.index_number == 1
    assert searched(Workspace.objects.get(pk=corpus.pk), {"region": "bayern"}) == {"plain", "rules"}


# --- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (" Gültig  ab: ", "gueltig_ab"), ("Größe", "groesse"), ("Straße", "strasse"), ("Łódź nr", "lodz_nr"),
        ("Отдел", "otdel"), ("部門", "bumen"), ("부서", "buseo"), ("Τμήμα", "tmima"), ("2. Øl", "ol"),
    ],
)  # fmt: skip
def test_a_label_makes_a_name(workspace: Workspace, label: str, name: str) -> None:
    assert fields.declare(workspace, None, label=label).name == name


@pytest.mark.parametrize(
    ("said", "field", "sentence"),
    [
        ({"label": "Region"}, "name", "A field 'region' already exists."),
        ({"label": "Type"}, "name", "Every document already has type."),
        ({"label": "= 1 ="}, "name", "No name can be made from this label. Enter one"),
        ({"label": "X", "name": "a-b'"}, "name", "A name has 1 to 30 lowercase letters"),
        ({"label": " "}, "label", "Enter a label"),
        ({"label": "X", "type": "colour"}, "type", "Choose one of: text, number, date, yes_no, version."),
        ({"label": "X", "type": "date", "choices": ["a"]}, "choices", "Only a text field can have choices"),
    ],
    ids=str,
)
def test_what_cannot_be_declared_says_why(
    declared: Workspace, said: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(ValidationError) as problem:
        fields.declare(declared, None, **said)
    assert sentence in problem.value.message_dict[field][0]


def test_a_deleted_field_is_taken_off_its_documents_and_can_be_declared_anew(corpus: Workspace) -> None:
    assert fields.delete(corpus.fields.get(name="department"), None) == 3
    assert not corpus.documents.filter(metadata__has_key="department").exists()
    fields.declare(corpus, None, label="Department")
    assert searched(corpus, {"department": "legal"}) == set()
    assert searched(corpus, {"draft": True}) == {"new law"}


@pytest.mark.parametrize(
    "write",
    [
        lambda place, said: update_metadata(place, None, [place.documents.get(title="plain.md").pk], said),
        lambda place, said: intake.add_text(place, None, "T", "words", about=said),
        lambda place, said: add_website(place, None, "https://example.org/", about=said),
    ],
    ids=["described", "added", "website"],
)
@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
def test_nothing_is_left_of_a_field_that_is_deleted_while_its_values_are_written(
    corpus: Workspace, write: Any, is_first: bool
) -> None:
    said, field = parse_change(corpus, None, {"region": "EU"}), corpus.fields.get(name="region")
    written, waiting = Event(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    def write_slowly() -> None:
        """Write, and end the transaction when somebody waits for it."""
        with closing(connection), transaction.atomic(), connection.cursor() as cursor:
            write(corpus, said)
            written.set()
            for _ in range(100):
                cursor.execute(waiting)
                if cursor.fetchone()[0]:
                    return
                sleep(0.05)

    if is_first:
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(write_slowly)
            assert written.wait(20)
            fields.delete(field, None)
            done.result()
    else:
        fields.delete(field, None)
        write(corpus, said)
    assert not corpus.documents.filter(metadata__has_key="region").exists()
    fields.declare(corpus, None, label="Region")
    assert searched(corpus, {"region": "eu"}) == set()


def test_a_choice_that_a_document_has_is_not_taken_away(corpus: Workspace) -> None:
    field = corpus.fields.get(name="department")
    with pytest.raises(ValidationError, match="2 documents have the choice 'Legal'"):
        fields.change(field, None, choices=["HR"])
    fields.change(corpus.fields.get(name="department"), None, choices=["HR", "Legal", "Sales"])


def test_managers_keep_fields_and_levels_on_a_page(corpus: Workspace) -> None:
    client, manager = Client(), factories.member(corpus, Role.MANAGER)
    client.force_login(manager)
    page = f"/workspaces/{corpus.pk}/fields/"
    client.post(page, {"label": "Author", "type": "text", "source": "author"})
    assert corpus.fields.get(name="author").source == "author"
    shown = client.get(page).content.decode()
    assert "set on 3 documents" in shown
    assert "This removes its value from 3 documents" in shown
    client.post(f"{page}department/", {"label": "Dept.", "choices": "Legal\nHR\nSales"})
    assert corpus.fields.get(name="department").choices == ["Legal", "HR", "Sales"]
    client.post(f"{page}levels/", {"levels": "Everyone\n\nStaff"})
    corpus.refresh_from_db()
    assert corpus.access_levels == ["Everyone", "Staff"]
    again = client.post(page, {"label": "Author", "type": "text"}).content.decode()
    assert "A field &#x27;author&#x27; already exists" in again
    assert (
        "was deleted and removed from 3 documents"
        in client.post(f"{page}department/delete/", follow=True).content.decode()
    )


# --- access levels -------------------------------------------------------------------------------


@pytest.fixture
def levelled(corpus: Workspace) -> Workspace:
    name_levels(corpus, None, ["Everyone", "Staff", "Board"])
    return corpus


def test_a_level_that_a_document_has_stays(levelled: Workspace) -> None:
    rules = levelled.documents.get(title="rules.md")
    update_metadata(levelled, None, [rules.pk], MetadataChange(access_level=2))
    with pytest.raises(ValidationError, match="1 document is for a level that would be removed"):
        name_levels(levelled, None, ["Everyone", "Staff"])
    with pytest.raises(ValidationError, match="same name"):
        name_levels(levelled, None, ["Everyone", "everyone", "Board"])
    update_metadata(levelled, None, [rules.pk], MetadataChange(access_level=0))
    member = levelled.memberships.create(user=factories.user(), access_level=2)
    name_levels(levelled, None, ["Everyone"])
    member.refresh_from_db()
    assert (levelled.access_levels, member.access_level) == ([], 0)


def test_a_manager_gives_a_member_a_level(levelled: Workspace) -> None:
    client, user = Client(), factories.member(levelled)
    client.force_login(factories.member(levelled, Role.MANAGER))
    membership = Membership.objects.get(user=user)
    place = f"/workspaces/{levelled.pk}/members/{membership.pk}/"
    client.post(place, {"role": "viewer", "access_level": "1"})
    membership.refresh_from_db()
    assert membership.access_level == 1
    said = client.post(place, {"role": "viewer", "access_level": "7"}, follow=True).content.decode()
    assert "Choose one of the levels: Everyone, Staff, Board." in said


def test_what_is_here_above_ones_level_is_not_handed_out_again(levelled: Workspace) -> None:
    rules, editor = levelled.documents.get(title="rules.md"), factories.member(levelled, Role.EDITOR)
    update_metadata(levelled, None, [rules.pk], MetadataChange(access_level=1))
    with pytest.raises(DocumentRefused, match="This document already exists, but not for your access level"):
        intake.add_text(levelled, editor, "rules.md", "rules", is_markdown=True)


def test_a_level_that_went_meanwhile_is_not_given(levelled: Workspace) -> None:
    said, plain = parse_change(levelled, None, {}, "Board"), levelled.documents.get(title="plain.md")
    name_levels(levelled, None, [])
    with pytest.raises(InvalidValue, match="have just changed"):
        update_metadata(levelled, None, [plain.pk], said)
    plain.refresh_from_db()
    assert plain.access_level == 0
    for add in (
        lambda: intake.add_text(levelled, None, "T", "words", about=said),
        lambda: add_website(levelled, None, "https://example.org/", about=said),
    ):
        with pytest.raises(DocumentRefused, match="have just changed"):
            add()
    assert levelled.documents.count() == 4


# --- websites -------------------------------------------------------------------------------------


def test_pages_have_what_their_website_has(levelled: Workspace) -> None:
    site = add_website(
        levelled,
        None,
        "https://example.org/",
        about=parse_change(levelled, None, {"department": "HR"}, "Staff"),
    )
    address = Address.objects.create(source=site.source, url="https://example.org/a")
    with transaction.atomic():
        page = crawled_pages.store_page(address, site, "A page", b"<p>words of a page</p>", "text/html")
    assert page
    assert (page.metadata, page.access_level) == ({"department": "HR"}, 1)
    ingest(page.pk)
    page.refresh_from_db()
    update_metadata(levelled, None, [site.pk], parse_change(levelled, None, {"region": "Bayern"}, 2))
    page.refresh_from_db()
    assert (page.metadata, page.access_level) == ({"department": "HR", "region": "Bayern"}, 2)
    assert engine_for(levelled).search_lexical("page", 5, Where(access_level=1)) == []
    with pytest.raises(InvalidValue, match="has the access level of its website or feed"):
        update_metadata(levelled, None, [page.pk], MetadataChange(access_level=0))
    other = Address.objects.create(source=site.source, url="https://example.org/b")
    with transaction.atomic():
        late = crawled_pages.store_page(
            other, site, "B page", b"<p>late</p>", "text/html"
        )  # `site` is as it was before
    assert late
    assert late.access_level == 2


# --- files' own properties -----------------------------------------------------------------------


def test_front_matter_meta_tags_and_document_properties_fill_fields(declared: Workspace) -> None:
    fields.declare(declared, None, label="Author", source="Author")
    html = '<html><head><meta name="author" content="Ana"><meta property="article:date" content="2023-04-05T10:00">'
    texts = {
        "a.md": b'---\nauthor: "Ben"\ndate: 2021-02-03\nnested:\n  deep: 1\n---\n# Pumps\n\nThey pump.',
        "b.html": f"{html}</head><body><h1>Pumps</h1><p>They pump water.</p></body></html>".encode(),
        "c.pdf": files.pdf("A report on pumps"),
        "d.docx": files.docx(),
        "e.md": b"---\nauthor: Eve\ndate: next week\n---\nwords",
    }
    found = {}
    for name, data in texts.items():
        document = intake.add_file(declared, None, ContentFile(data, name=name), name)
        ingest(document.pk)
        document.refresh_from_db()
        assert document.status == "ready", document.error
        found[name] = document
    assert found["a.md"].metadata == {"author": "Ben", "date": "2021-02-03"}
    assert sorted(found["a.md"].found_fields) == ["author", "date"]
    assert found["b.html"].metadata == {"author": "Ana", "date": "2023-04-05"}
    assert found["c.pdf"].metadata["author"] == "anonymous"
    assert found["d.docx"].metadata["author"] == "python-docx"
    assert found["e.md"].metadata == {"author": "Eve"}
    assert len(matching(Document.objects.all(), declared, {"author": "BEN"})) == 1
    update_metadata(declared, None, [found["a.md"].pk], MetadataChange({"author": "Zoe"}))
    found["a.md"].refresh_from_db()
    restart(found["a.md"], None)
    ingest(found["a.md"].pk)
    found["a.md"].refresh_from_db()
    assert found["a.md"].metadata == {"author": "Zoe", "date": "2021-02-03"}
    assert found["a.md"].found_fields == ["date"]


def test_documents_from_before_are_known_by_type_language_and_date(corpus: Workspace) -> None:
    with connection.cursor() as cursor:  # as workspaces 0007_facts leaves them
        cursor.execute(f"UPDATE chunks.d_{corpus.pk.hex} SET metadata = '{{}}'")
    import_module("documents.migrations.0009_facts")._tell_the_engine(
        apps, SimpleNamespace(connection=connection)
    )
    everything = {"old law", "new law", "rules", "plain"}
    assert searched(corpus, {"type": "text", "language": "en", "added": {"from": "2020-01-01"}}) == everything
    assert searched(corpus, {"modified": {"from": "2020-01-01"}, "access_level": 0}) == everything


# --- folders --------------------------------------------------------------------------------------


def test_rules_for_folders_tell_what_is_known_of_files(declared: Workspace, tmp_path: Path) -> None:
    factories.operator()
    name_levels(declared, None, ["Everyone", "Staff"])
    for name in ("contracts/a.txt", "contracts/old/b.txt", "c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"words of {name}")
    rule = "contracts/**: department=legal, region='Sales, EU', access_level=Staff"
    arguments = [tmp_path, "--workspace", declared.name, "--set", "department=HR", "--rule", rule]
    run(*arguments, "--rule", "contracts/old/*: date=2001-01-01")
    known = {each.path: (each.metadata, each.access_level) for each in declared.documents.all()}
    legal = {"department": "Legal", "region": "Sales, EU"}
    assert known == {
        "c.txt": ({"department": "HR"}, 0),
        "contracts/a.txt": (legal, 1),
        "contracts/old/b.txt": (legal | {"date": "2001-01-01"}, 1),
    }
    told = AuditEvent.objects.filter(action="document.describe")
    assert "3 unchanged" in run(*arguments)
    assert not told
    assert "3 unchanged" in run(tmp_path, "--workspace", declared.name, "--set", "department=Legal")
    assert told.all().count() == 1
    assert {each.metadata["department"] for each in declared.documents.all()} == {"Legal"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (("--set", "department"), "'department' is incomplete: write field=value"),
        (("--set", "colour=red"), "There is no field 'colour' here. Choose one of: department"),
        (("--rule", "contracts/**"), "has no pattern"),
        (("--rule", "a*: department='Legal"), "has an unclosed quote"),
        (("--set", "access_level=9"), "The access level is one of: 0 (everyone)."),
    ],
)
def test_a_rule_that_says_nothing_stops_the_command(
    declared: Workspace, tmp_path: Path, said: tuple[str, str], sentence: str
) -> None:
    factories.operator()
    (tmp_path / "a.txt").write_text("words")
    assert sentence in run(tmp_path, "--workspace", declared.name, *said)
    assert not declared.documents.exists()


# --- pages and programs --------------------------------------------------------------------------


def test_one_and_several_are_described_on_pages(levelled: Workspace) -> None:
    client = Client()
    client.force_login(factories.member(levelled, Role.MANAGER))
    plain, rules = (levelled.documents.get(title=title) for title in ("plain.md", "rules.md"))
    page = f"/workspaces/{levelled.pk}/documents/{plain.pk}/"
    client.post(f"{page}describe/", {"m.department": "HR", "m.release": "v3", "access_level": "1"})
    shown = client.get(page).content.decode()
    assert "Staff" in shown
    assert "v3" in shown
    several = {"document": [str(plain.pk), str(rules.pk)], "m.region": "Bayern", "m.department": ""}
    said = client.post(
        f"/workspaces/{levelled.pk}/documents/describe/", several, follow=True
    ).content.decode()
    assert "Saved for 2 documents." in said
    plain.refresh_from_db()
    assert plain.metadata == {"department": "HR", "release": "v3", "region": "Bayern"}
    assert plain.access_level == 1
    client.post(f"{page}describe/", {"m.region": "Bayern", "access_level": "0"})
    plain.refresh_from_db()
    assert (plain.metadata, plain.access_level) == ({"region": "Bayern"}, 0)
    said = client.post(
        f"{page}describe/", {"m.date": "soon", "access_level": "0"}, follow=True
    ).content.decode()
    assert "date must be a date, such as 2024-01-31." in said


def test_forms_speak_of_the_pages_of_a_website_only_where_one_is_meant(levelled: Workspace) -> None:
    client = Client()
    client.force_login(factories.member(levelled, Role.MANAGER))
    file = factories.document(levelled)
    site = add_website(levelled, None, "https://example.org/", ask_worker=False)
    page = f"/workspaces/{levelled.pk}/"
    documents = [f"{page}documents/{each.pk}/" for each in (file, site)]
    told = {
        address: "For a website or feed, it applies to all pages." in client.get(address).content.decode()
        for address in (f"{page}add/", f"{page}add/text/", f"{page}add/website/", page, *documents)
    }
    assert list(told.values()) == [False, False, True, True, False, True]
    site.delete()
    assert "it applies to all pages" not in client.get(page).content.decode()


def test_forms_for_adding_ask_what_is_known(levelled: Workspace) -> None:
    client = Client()
    client.force_login(factories.member(levelled, Role.MANAGER))
    add = f"/workspaces/{levelled.pk}/add/"
    known = {"m.department": "HR", "access_level": "2", "language": ""}
    client.post(f"{add}text/", {"title": "T", "text": "words"} | known)
    client.post(f"{add}questions/", {"question": "Q?", "answer": "A"} | known)
    client.post(
        f"{add}website/",
        {"url": "https://example.org", "max_pages": 5, "max_depth": 1, "schedule": "never"} | known,
    )
    client.post(add, {"file": ContentFile(b"words", name="f.txt")} | known)
    made = levelled.documents.filter(title__in=["T", "Q?", "example.org", "f.txt"])
    assert made.count() == 4
    assert {(each.metadata["department"], each.access_level) for each in made} == {("HR", 2)}
    wrong = client.post(f"{add}text/", {"title": "U", "text": "words"} | known | {"m.pages": "many"})
    assert "pages must be a number, such as 12 or 3.5." in wrong.content.decode()
    assert not levelled.documents.filter(title="U").exists()


def test_programs_say_and_ask_the_same(levelled: Workspace) -> None:
    client = Client()
    client.force_login(factories.member(levelled, Role.MANAGER))
    api, as_json = f"/api/v1/workspaces/{levelled.pk}", "application/json"

    def send(method: str, path: str, body: Any) -> Any:
        return client.generic(method, f"{api}/{path}", json.dumps(body), content_type=as_json)

    text = {"title": "T", "text": "words", "metadata": {"department": "hr"}, "accessLevel": 1}
    made = send("POST", "documents/texts", text).json()
    assert (made["metadata"], made["accessLevel"]) == ({"department": "HR"}, 1)
    wrong = send("POST", "documents/texts", text | {"metadata": {"colour": "red"}})
    assert "There is no field 'colour'" in wrong.json()["metadata"][0]
    assert (
        "The access level is one of"
        in send("POST", "documents/texts", text | {"accessLevel": 8}).json()["accessLevel"][0]
    )
    changed = send(
        "PATCH", f"documents/{made['id']}", {"metadata": {"department": None, "pages": 4}, "accessLevel": 0}
    )
    assert (changed.status_code, changed.json()["metadata"]) == (202, {"pages": 4})
    listed = client.get(f"{api}/documents", {"filters": '{"department": "legal", "draft": true}'}).json()
    assert [each["title"] for each in listed["results"]] == ["new law.md"]
    assert client.get(f"{api}/documents", {"filters": '{"x": 1}'}).status_code == 400
    upload = send(
        "POST", "uploads", {"name": "u.txt", "sizeBytes": 5, "metadata": {"region": "EU"}, "accessLevel": 2}
    ).json()
    client.post(upload["url"], {"file": ContentFile(b"words", name="u.txt")})
    made = client.post(f"{api}/uploads/{upload['id']}/complete").json()
    assert (made["metadata"], made["accessLevel"]) == ({"region": "EU"}, 2)
    names = [each["name"] for each in client.get(f"{api}/fields").json()]
    assert names[:2] == ["department", "region"]
    assert names[-5:] == ["type", "language", "added", "modified", "access_level"]
    assert send("POST", "fields", {"label": "Owner"}).json()["name"] == "owner"
    assert send("POST", "fields", {"label": "Owner"}).json()["name"] == [
        "A field 'owner' already exists. Choose another name."
    ]
    assert send("PATCH", "fields/owner", {"label": "Who"}).json()["label"] == "Who"
    assert send("DELETE", "fields/owner", None).status_code == 204
    assert not levelled.fields.filter(name="owner").exists()
    asked = {"workspaceId": str(levelled.pk), "query": "law", "filters": {"release": {"from": "1.10"}}}
    found = client.post("/api/v1/semantic-search", json.dumps(asked), content_type=as_json).json()
    assert "old law.md" not in {each["documentTitle"] for each in found["passages"]}
    asked["filters"] = {"release": {"from": "new"}}
    told = client.post("/api/v1/semantic-search", json.dumps(asked), content_type=as_json)
    assert told.json()["filters"] == ["release must be a version, such as 2.1 or v1.10-beta."]


@pytest.mark.parametrize(
    "filters", [{"": 1}, {"region": "a\0b"}, {"region": "\ud800"}, {"date": "2024-01-31" * 99}]
)
def test_a_filter_that_could_not_be_kept_is_refused(corpus: Workspace, filters: Any) -> None:
    with pytest.raises(InvalidValue):
        searched(corpus, filters)


def test_no_level_is_called_a_number(workspace: Workspace) -> None:
    with pytest.raises(ValidationError, match="Give the level 2 a name"):
        name_levels(workspace, None, ["everyone", "2"])


def test_describing_lets_what_refers_to_a_document_be_written(declared: Workspace) -> None:
    """Answers write their passages meanwhile, and others their searches: a foreign key must not wait."""
    document = put(declared, "law")
    with transaction.atomic():
        update_metadata(declared, None, [document.pk], parse_change(declared, None, {"department": "HR"}))
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
            other.execute("SET lock_timeout = '2s'")
            for table, pk in (("documents_document", document.pk), ("workspaces_workspace", declared.pk)):
                other.execute(f"SELECT 1 FROM {table} WHERE id = %s FOR KEY SHARE", [pk])


@pytest.mark.parametrize("names", [["Everyone", "Board"], ["Board", "Everyone", "Staff"]])
def test_a_level_that_is_used_is_not_moved_to_another_place(workspace: Workspace, names: list[str]) -> None:
    name_levels(workspace, None, ["Everyone", "Staff", "Board"])
    factories.document(workspace, access_level=1)
    with pytest.raises(ValidationError, match="another position"):
        name_levels(workspace, None, names)
    name_levels(workspace, None, ["Everyone", "Employees", "Board", "Founders"])
    assert workspace.access_levels == ["Everyone", "Employees", "Board", "Founders"]
