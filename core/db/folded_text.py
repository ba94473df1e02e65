"""Compares texts as people type them: without upper case, accents, invisible joiners and compatibility forms.

"resume" finds "Résumé", "2024" finds "２０２４", and "Äpfel" stands with "apfel". PostgreSQL does it, so that no column
has to be kept for it. Its own `unaccent` and ICU collations are not on every server.
"""

from django.db.models import CharField, TextField, Transform

# Combining accents, Hebrew points, Arabic marks and joiners, as escapes of PostgreSQL's regular expressions.
_MARKS = r"[\u0300-\u036f\u0591-\u05bd\u064b-\u0652\u200c\u200d]"
_LETTERS = ("ςøłđðıħŧ", "σolddiht")  # one letter each, which Unicode does not decompose


@CharField.register_lookup
@TextField.register_lookup
class Folded(Transform):
    """`title__folded__contains=Folded(Value(words))`, or `ordering = (Folded("name"),)`."""

    lookup_name = "folded"
    function = "regexp_replace"
    template = (
        f"replace(translate(%(function)s(normalize(lower(%(expressions)s), NFKD), '{_MARKS}', '', 'g'),"
        f" '{_LETTERS[0]}', '{_LETTERS[1]}'), 'ß', 'ss')"
    )
    output_field = TextField()
