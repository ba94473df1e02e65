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


_MARKUP = {
    "index": ("H<sub>2</sub>O", "H2O"),
    "power": ("20 m<sup>2</sup> and 10<sup>6</sup> and 10<sup>-6</sup>", "20 m^2 and 10^6 and 10^-6"),
    "ordinal": ("the 1<sup>st</sup> of May", "the 1st of May"),
    "note": ("liability<sup><a href='#n'>1</a></sup> and 12<sup>[3]</sup>", "liability[1] and 12[3]"),
    "base": ("101<sub>2</sub> and log<sub>2</sub>8", "101_2 and log2 8"),
    "in a link": ("<b>10</b><i><sup>6</sup></i> parts", "10^6 parts"),
    "formula": ("<math><msup><mi>r</mi><mn>2</mn></msup></math> metres", "r^2 metres"),
    "fraction": ("<math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac></math>.", "(a+b)/2"),
    "reading": ("<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>", "東京 (とうきょう)"),
    "correction": ("It costs <del>12</del><ins>14</ins> euro", "It costs 14 euro"),
    "aside": ("<aside class='starlight-aside'><p>Never open the lid.</p></aside>", "Never open the lid."),
    "sidebar note": ("<aside class='sidebar note'>Never open the lid.</aside>", "Never open the lid."),
    "role": ("<div role=note class=banner>Never open the lid.</div>", "Never open the lid."),
    "admonition": ("<div class='admonition warning'><p>Never open the lid.</p></div>", "Never open the lid."),
    "alert": ("<div class='alert alert-danger' role=alert>Never open the lid.</div>", "Never open the lid."),
    "details": ("<details><summary>More</summary><p>Never open the lid.</p></details>", "Never open the lid."),
    "caption": ("<figure><img src=x><figcaption>Figure 1: the pump</figcaption></figure>", "Figure 1: the pump"),
    "about cookies": ("<section id=cookie-policy><p>One cookie keeps the login.</p></section>", "One cookie keeps the login."),
    "without JavaScript": ("<noscript><p>Bolts cost 3 euro.</p></noscript>", "Bolts cost 3 euro."),
}  # fmt: skip


@pytest.mark.parametrize(("markup", "said"), _MARKUP.values(), ids=_MARKUP)
def test_what_markup_says_is_in_the_text(tmp_path, markup, said):
    block = (
        markup
        if markup.startswith(("<aside", "<div", "<details", "<figure", "<section", "<noscript"))
        else f"<p>{markup}</p>"
    )
    found = read(
        tmp_path,
        f"<nav><a href=/>Home</a></nav><main><h1>Pumps</h1><p>{_LONG}</p>{block}<p>{_LONG}</p></main>",
    )
    assert said in "\n".join(section.text for section in found.sections)


@pytest.mark.parametrize(
    "markup",
    [
        "<div id='cookie-banner' role=dialog><p>NOISE cookies improve your experience.</p><button>Accept</button></div>",
        "<div class='cc-window'>NOISE cookies</div>",
        "<section aria-label='Cookie consent'><p>NOISE We value your privacy.</p></section>",
        "<div id='onetrust-consent-sdk'><div><p>NOISE By clicking Accept you agree.</p></div></div>",
        "<noscript><p>NOISE Please enable JavaScript to view the comments.</p></noscript>",
        "<p hidden>NOISE</p>",
        "<p style='display:none'>NOISE</p>",
        "<p>It is <del>NOISE</del> so.</p>",
    ],
    ids=["banner", "window", "label", "OneTrust", "noscript", "hidden", "style", "deleted"],
)
@pytest.mark.parametrize("place", ["inside", "outside"])
def test_notices_and_what_is_not_shown_are_left_out(tmp_path, markup, place):
    inside, outside = (markup, "") if place == "inside" else ("", markup)
    found = read(tmp_path, f"{outside}<main><h1>Pumps</h1><p>{_LONG}</p>{inside}<p>{_LONG}</p></main>")
    assert "NOISE" not in "\n".join(section.text for section in found.sections)


def test_deleted_passages_are_counted(tmp_path):
    [note] = read(tmp_path, f"<main><p>{_LONG}<del>twelve</del></p></main>").notes
    assert (note.kind, note.text) == ("left_out", "1 deleted passage was left out.")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<noscript>You need to enable JavaScript to run this app.</noscript><div id=root></div>",
        "<noscript><h1>Bitte aktivieren Sie JavaScript</h1><p>Diese Anwendung braucht es.</p></noscript><div id=app></div>",
        "<div id=root>Diese Seite benötigt JavaScript. Bitte schalten Sie es ein.</div>",
        "<main><p>このサイトを利用するには、JavaScriptを有効にしてください。</p></main>",
        "<script>render()</script><div id='app'></div>",
        "<!-- words -->",
    ],
    ids=[
        "empty",
        "noscript",
        "noscript in German",
        "a notice",
        "a notice in Japanese",
        "only scripts",
        "only a comment",
    ],
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
