"""The text of web pages: the main part with its headings, tables and code, and nothing of the rest."""

from pathlib import Path

import pytest

from documents.errors import Unreadable
from documents.ingestion.extract import Extraction, extract

_LONG = "Centrifugal pumps move liquid by turning an impeller, and want to be primed before they start. " * 3


def read(tmp_path: Path, body: str, head: str = "") -> Extraction:
    path = tmp_path / "page.html"
    path.write_text(f"<html><head>{head}</head><body>{body}</body></html>")
    return extract(path, "text/html", "web")


# As Sphinx's older themes write pages: no <main> and no <article>, and a link in each heading.
_SPHINX = f"""
<div class="document"><div id="hd"><h1><a href="/">Site name</a></h1><div class="nav"><a href="/a">previous</a></div></div>
<div id="bd"><div class="section" id="pumps"><h1>Pumps<a class="headerlink" href="#pumps">¶</a></h1><p>{_LONG}</p>
<div class="section" id="priming"><h2>Priming<a class="headerlink" href="#priming">¶</a></h2><p>{_LONG}</p>
<pre>prime(pump)
    start(pump)</pre>
<table><tr><th>Pump</th><th>Litres</th></tr><tr><td>P-1</td><td>40</td></tr></table></div></div></div>
<div id="sidebar"><ul><li><a href="/x">Table of contents</a></li></ul></div><div id="ft">Copyright notice</div></div>
"""


def test_headings_tables_and_code_are_kept_and_the_rest_is_not(tmp_path):
    found = read(tmp_path, _SPHINX)
    assert found.parser == "trafilatura"
    assert [section.title_path for section in found.sections] == [("Pumps",), ("Pumps", "Priming")]
    text = found.sections[1].text
    assert "prime(pump)\n    start(pump)" in text
    assert "| P-1 | 40 |" in text
    everything = "".join(section.text for section in found.sections)
    for noise in ("Site name", "previous", "Table of contents", "Copyright", "¶"):
        assert noise not in everything


def test_an_article_is_read_without_the_banner_and_menu_around_it(tmp_path):
    menu = "<nav><a href='/'>Home</a></nav><div class='cookie-banner'>We use cookies</div>"
    found = read(tmp_path, f"{menu}<article><h1>Title</h1><p>{_LONG}</p></article><footer>Imprint</footer>")
    assert found.sections[0].text.startswith("Title\n\nCentrifugal")
    assert all(noise not in found.sections[0].text for noise in ("Home", "cookies", "Imprint"))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<script>render()</script><div id='app'></div>",
        "<!-- words -->",
    ],
    ids=["empty", "only scripts", "only a comment"],
)
def test_a_page_without_text_says_so(tmp_path, body):
    with pytest.raises(Unreadable, match="no text"):
        read(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 200 + _LONG,
        "<p>" + "<b><i>" * 50 + _LONG,
        "<table>" * 20 + f"<p>{_LONG}",
        "\x00" + f"<p>{_LONG}",
    ],
    ids=["deep", "crossed", "tables in tables", "NUL"],
)
def test_crooked_markup_is_read_all_the_same(tmp_path, body):
    assert "Centrifugal" in read(tmp_path, body).sections[0].text


def test_markup_too_deep_to_be_honest_ends_in_a_sentence(tmp_path):
    with pytest.raises(Unreadable, match=r"no text|damaged"):
        read(tmp_path, "<div><b>" * 100_000 + _LONG)
