"""Related forms of words that no chunk has: where they are looked up, and how."""

from collections.abc import Mapping
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import strategies as st

from inference.language.related_forms import are_related, forms_to_look_up
from tests import factories
from workspaces.engines.pgvector import vocabulary
from workspaces.engines.pgvector.tables import Tables
from workspaces.engines.pgvector.tsquery import AskedWord, LexicalQuery, Word
from workspaces.models import Workspace

STEMS = st.text("abä", min_size=1, max_size=12)


def add(workspace: Workspace, amounts: Mapping[str, int]) -> Tables:
    tables = Tables(workspace)
    for term, amount in amounts.items():
        tables.run("INSERT INTO {terms} VALUES (%s, %s)", [term, amount])
    return tables


def related(tables: Tables, *stems: str) -> dict[str, int]:
    word = AskedWord(Word(stems))
    return vocabulary.related_forms(tables, [word]).get(word, {})


@given(STEMS, STEMS)
@example("schlussel", "ersatzschlussel")
@example("ersatzschlussel", "schlussel")
@example("feuerwehrzufahrt", "feuerwehr")
@example("kaapit", "kaapissa")
@example("avai", "avaim")
@example("מעלית", "המעלית")
@example("המעלית", "מעלית")
def test_each_related_form_is_where_it_is_looked_up(stem: str, term: str) -> None:
    if stem != term and are_related(stem, term):
        found = forms_to_look_up(stem)
        assert found
        assert (
            term in found.whole or term.startswith(found.begins) or (found.ends and term.endswith(found.ends))
        )


@pytest.mark.django_db
def test_beginnings_endings_and_compounds_are_found() -> None:
    amounts = {"zufahrt": 1, "feuerwehr": 2, "feuerwehrzufahrten": 3, "hauptfeuerwehrzufahrt": 4, "feuer": 5}
    tables = add(factories.workspace(), amounts)
    assert related(tables, "feuerwehrzufahrt") == {
        term: amount for term, amount in amounts.items() if term != "feuer"
    }


@pytest.mark.django_db
def test_a_word_is_compared_before_stemming_too() -> None:
    """The Hungarian stemmer takes more from the shorter form: ablakok, windows, becomes ablak, and ablak becomes abl."""
    workspace = factories.workspace(languages=["hu"])
    tables = add(workspace, {"ablak": 3})
    [word] = LexicalQuery.of("ablak", ["hu"]).words
    assert (word.terms, vocabulary.related_forms(tables, [word])) == ({"abl"}, {word: {"ablak": 3}})


@pytest.mark.django_db
def test_the_most_common_forms_are_taken_even_of_very_many() -> None:
    tables = add(factories.workspace(), {"station": 7_000, "stationed": 9_000})
    tables.run("INSERT INTO {terms} SELECT 'stationen' || chr(19968 + n), 1 FROM generate_series(1, 2000) n")
    found = related(tables, "statione")
    assert len(found) == vocabulary.MAX_FORMS
    assert list(found)[:2] == ["stationed", "station"]


@pytest.mark.django_db
@pytest.mark.parametrize("has_upgraded", [False, True])
def test_no_lookup_reads_the_whole_table(has_upgraded: bool) -> None:
    workspace = factories.workspace()
    tables = Tables(workspace)
    if has_upgraded:
        with connection.cursor() as cursor:  # as it was before
            cursor.execute(f"DROP INDEX chunks.t_{workspace.id.hex}_reverse_idx")
            cursor.execute(
                import_module("workspaces.migrations.0013_endings_of_terms").Migration.operations[0].sql
            )
    tables.run("INSERT INTO {terms} SELECT md5(n::text), 1 FROM generate_series(1, 20000) n")
    tables.run("ANALYZE {terms}")
    with CaptureQueriesContext(connection) as queries:
        related(tables, "feuerwehrzufahrt", "feuerwehrzufahr", "zufahrt")
    [sent] = queries.captured_queries
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sent["sql"])
        plan = str(cursor.fetchall())
    assert plan.count("Bitmap Index Scan") == 7  # the whole terms; three beginnings; three endings
    assert "Seq Scan" not in plan
