"""Workspaces that detect the languages of their documents."""

import pytest
from rest_framework.exceptions import ValidationError

from documents.parsing.languages import language_of
from documents.parsing.types import ExtractedSection
from tests import factories
from tests.languages.texts import NOTICES
from tests.workspaces.test_pgvector import put_texts, texts
from workspaces.engines.pgvector.tables import Tables
from workspaces.engines.pgvector.vocabulary import languages
from workspaces.serializers import LanguageField

SECTIONS = {each.language: (ExtractedSection(each.text),) for each in NOTICES}


@pytest.mark.parametrize("language", [each.language for each in NOTICES])
def test_the_language_of_a_document_is_detected_among_all(language: str) -> None:
    found = language_of(SECTIONS[language], ["auto"])
    assert found == language or (language, found) in {("id", "ms"), ("da", "no")}


@pytest.mark.django_db
def test_each_passage_is_searched_in_its_own_language() -> None:
    workspace = factories.workspace(dimensions=3, languages=["auto"])
    put_texts(workspace, *[sentence for each in NOTICES[:4] for sentence in each.sentences])
    assert set(languages(Tables(workspace))) >= {"en", "de", "fr", "es"}
    assert texts(workspace, "Ersatzschlüssel Schrank")[0] == NOTICES[1].keys
    assert texts(workspace, "llave de repuesto")[0] == NOTICES[3].keys


@pytest.mark.django_db
@pytest.mark.parametrize(("tag", "code"), [("pt-BR", "'pt'"), ("zh_TW", "'zh'"), ("Hebrew", "'he'")])
def test_a_tag_that_is_no_code_is_answered_with_the_code(tag: str, code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        LanguageField().run_validation(tag)
