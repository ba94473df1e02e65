"""PDFs that hold everything the format can hold, in every order of drawing: nothing is lost or changed."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pikepdf
import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from documents.errors import Unreadable
from documents.ingestion.extract import Extraction, extract
from documents.parsing.pdf import bidi
from documents.parsing.pdf.bidi import Glyph
from tests.documents.parsing import files
from tests.documents.parsing.test_office import left_out, text

Read = Callable[[bytes], Extraction]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(content: bytes) -> Extraction:
        path = tmp_path / "stored"
        path.write_bytes(content)
        return extract(path, "application/pdf")

    return read


def drawn(draw: Callable[[Canvas], None]) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out)
    draw(canvas)
    canvas.save()
    return out.getvalue()


def changed(content: bytes, change: Callable[[pikepdf.Pdf], None]) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as pdf:
        change(pdf)
        pdf.save(out)
    return out.getvalue()


def annotated(*annotations: dict[str, object], content: bytes = b"") -> bytes:
    def change(pdf: pikepdf.Pdf) -> None:
        made = (
            pikepdf.Dictionary({"/Type": pikepdf.Name.Annot, "/Rect": [50, 50, 90, 90]} | each)
            for each in annotations
        )
        kept = [pdf.make_indirect(each) for each in made]
        pdf.pages[0].Annots = pikepdf.Array(kept)
        widgets = [each for each in kept if each.Subtype == pikepdf.Name.Widget]
        if widgets:
            pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[each.get("/Parent", each) for each in widgets])

    return changed(content or files.pdf("Contract draft"), change)


# --- reading order ------------------------------------------------------------------------------

LEFT = ("The company grants its employees", "twenty-six days of paid leave in", "each calendar year. Requests are",
        "filed with the line manager two", "weeks ahead and are answered", "within three working days.")  # fmt: skip
RIGHT = ("Travel costs are reimbursed up to", "four hundred euros a night. All", "receipts must be handed in with",
         "the form T-7 by the end of the", "month. Late receipts are paid", "in the following quarter.")  # fmt: skip
MIDDLE = ("Machines are cleaned every evening", "and oiled on Mondays. The person", "who was last at the machine signs",
          "the book next to it, which is kept", "for five years and then thrown", "away by the office.")  # fmt: skip


def columns(canvas: Canvas, *texts: Sequence[str], top: float = 760) -> None:
    canvas.setFont("Helvetica", 10)
    for number, line in enumerate(zip(*texts, strict=True)):
        for column, words in enumerate(line):
            canvas.drawString(40 + column * 185, top - 13 * number, words)


@pytest.mark.parametrize("texts", [(LEFT, RIGHT), (LEFT, MIDDLE, RIGHT)], ids=["two", "three"])
def test_columns_that_were_drawn_line_by_line_are_read_one_after_the_other(
    read: Read, texts: Sequence[Sequence[str]]
) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(40, 800, "Staff handbook")
        columns(canvas, *texts)
        canvas.drawString(40, 600, "This line crosses the whole page, and comes after the columns above it.")

    lines = text(read(drawn(draw))).split("\n")
    assert lines == ["Staff handbook", *(line for column in texts for line in column),
                     "This line crosses the whole page, and comes after the columns above it."]  # fmt: skip


def written(canvas: Canvas, x: float, y: float, *runs: tuple[str, float, float], size: float = 11) -> None:
    """Draw runs, each its text, its share of the size and how far it is raised."""
    for words, share, rise in runs:
        canvas.setFont("Helvetica", size * share)
        canvas.drawString(x, y + rise, words)
        x += canvas.stringWidth(words, "Helvetica", size * share)


@pytest.mark.parametrize(
    ("before", "mark", "rise", "behind", "said"),
    [
        ("Up to 10", "6", 4, " cells per litre", "Up to 10^6 cells per litre"),
        ("Some 10", "-9", 4, " metres", "Some 10^-9 metres"),
        ("An area of 25 m", "2", 4, ".", "An area of 25 m^2."),
        ("The turnover grew", "12", 4, " in May.", "The turnover grew[12] in May."),
        ("The turnover grew.", "3", 4, " Then it fell.", "The turnover grew.[3] Then it fell."),
        ("We drink H", "2", -2, "O.", "We drink H2O."),
        ("On the 1", "st", 4, " of May", "On the 1st of May"),
        ("Costs are 10", "6", 0, " euro", "Costs are 106 euro"),
    ],
)
def test_a_raised_number_stays_apart_from_what_it_follows(
    read: Read, before: str, mark: str, rise: float, behind: str, said: str
) -> None:
    def draw(canvas: Canvas) -> None:
        written(canvas, 72, 700, (before, 1, 0), (mark, 0.65, rise), (behind, 1, 0))
        written(canvas, 72, 680, ("7", 0.6, 4), ("A note below the page.", 0.8, 0))

    assert text(read(drawn(draw))).split() == [*said.split(), *["7", "A", "note", "below", "the", "page."]]


def test_a_raised_number_in_a_column_stays_apart(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        columns(canvas, LEFT, (*RIGHT[:5], ""))
        written(
            canvas, 225, 695, ("in the following quarter", 1, 0), ("12", 0.65, 4), (" of it.", 1, 0), size=10
        )

    said = text(read(drawn(draw)))
    assert said.index("working days") < said.index("Travel costs")
    assert "in the following quarter[12] of it." in said


def test_the_rows_of_a_table_stay_together(read: Read) -> None:
    rows = [("Gasket for the HX-40 pump", "3 euro", "in stock"), ("Valve for the HX-40 pump", "12 euro", "in May"),
            ("Handle for the old door", "7 euro", "in stock"), ("Hinge for the new door", "9 euro", "in June"),
            ("Screws for the new door", "1 euro", "in stock")]  # fmt: skip
    said = text(read(drawn(lambda canvas: columns(canvas, *zip(*rows, strict=True)))))
    assert said.split("\n") == [" ".join(row) for row in rows]


def test_a_hyphen_at_the_end_of_a_line_keeps_numbers_apart(read: Read) -> None:
    said = text(read(files.pdf("Give the syrup every 10-\n12 hours and not more.")))
    assert "1012" not in said.replace("\n", "")


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_is_read(read: Read, angle: int) -> None:
    def turn(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].Rotate = angle

    assert (
        text(read(changed(files.pdf("The first line\nThe second line"), turn)))
        == "The first line\nThe second line"
    )


def test_pages_are_read_in_the_order_of_the_book(read: Read) -> None:
    def swap(pdf: pikepdf.Pdf) -> None:
        pdf.pages.reverse()

    found = read(changed(files.pdf("one", "two", "three"), swap))
    assert [(each.page, each.text) for each in found.sections] == [(1, "three"), (2, "two"), (3, "one")]


# What people read, and what is drawn from left to right, as programs that follow UAX 9 draw it
RIGHT_TO_LEFT = {
    "Hebrew": ("העובד זכאי לעשרים ימי חופשה", "השפוח ימי םירשעל יאכז דבועה"),
    "Hebrew with numbers": ("זכאי ל-26 ימים בשנת 2024, ראו PDF מצורף (עמוד 3).", ".(3 דומע) ףרוצמ PDF ואר ,2024 תנשב םימי 26-ל יאכז"),
    "a range": ("בין 12-15 ימים, 3.5% מתוך 1,250.75", "1,250.75 ךותמ 3.5% ,םימי 12-15 ןיב"),
    "a code": ("לפי סעיף ABC-7 בחוזה", "הזוחב ABC-7 ףיעס יפל"),
    "an address": ("כתבו אל info@example.org היום", "םויה info@example.org לא ובתכ"),
    "Arabic": ("يحق للموظف 26 يوما في عام 2024", "2024 ماع يف اموي 26 فظوملل قحي"),
    "Arabic with a percentage": ("خصم 20% في 2024/03/05", "2024/03/05 يف %20 مصخ"),
    "Persian": ("کارمند حق دارد ۲۶ روز مرخصی", "یصخرم زور ۲۶ دراد قح دنمراک"),
    "in English": ("The word שלום means peace, 12-15 euro.", "The word םולש means peace, 12-15 euro."),
}  # fmt: skip


@pytest.mark.parametrize(("read_as", "drawn_as"), RIGHT_TO_LEFT.values(), ids=RIGHT_TO_LEFT)
def test_text_from_right_to_left_is_read_in_its_order(read_as: str, drawn_as: str) -> None:
    glyphs = [
        Glyph(character, 6 * at, 6 * at + 5) for at, character in enumerate(drawn_as.replace("ימי ם", "םימי"))
    ]
    if "ימי" in drawn_as and "Hebrew" and read_as == RIGHT_TO_LEFT["Hebrew"][0]:
        glyphs = [Glyph(character, 6 * at, 6 * at + 5) for at, character in enumerate(read_as[::-1])]
    said = bidi.logical_order(glyphs, page_is_from_right=not read_as.startswith("The"))
    assert said == read_as


def test_a_hebrew_page_is_read_from_right_to_left(read: Read) -> None:
    pdfmetrics.registerFont(TTFont("DejaVu", "DejaVuSans.ttf"))
    words = "העובד זכאי ל-26 ימי חופשה בשנת 2024, לפי סעיף ABC-7 (עמוד 3)."
    shown = ".(3 דומע) ABC-7 ףיעס יפל ,2024 תנשב השפוח ימי 26-ל יאכז דבועה".replace("ימי", "ימי"[::-1])

    def draw(canvas: Canvas) -> None:
        canvas.setFont("DejaVu", 12)
        canvas.drawRightString(540, 780, shown)

    assert text(read(drawn(draw))) == words


# --- forms --------------------------------------------------------------------------------------


def test_each_kind_of_form_field_is_read_with_the_words_next_to_it(read: Read) -> None:
    def draw(canvas: Canvas) -> None:
        form = canvas.acroForm
        for at, (label, value) in enumerate((("Cost centre:", "KST-8842"), ("Empty:", ""))):
            canvas.drawString(60, 750 - 40 * at, label)
            form.textfield(name=f"Text{at}", x=160, y=742 - 40 * at, width=220, height=20, value=value)
        for at, is_checked in enumerate((True, False)):
            form.checkbox(name=f"Box{at}", x=60, y=642 - 40 * at, size=16, checked=is_checked)
            canvas.drawString(90, 646 - 40 * at, ("Insured", "Abroad")[at])
        for at, option in enumerate(("Train", "Car")):
            form.radio(
                name="way",
                tooltip="Way of travel",
                value=option,
                selected=option == "Car",
                x=60,
                y=520 - 30 * at,
            )
        form.choice(
            name="city",
            tooltip="City",
            value="Bonn",
            options=["Bonn", "Rome"],
            x=60,
            y=400,
            width=90,
            height=20,
        )
        form.listbox(
            name="days",
            tooltip="Days",
            value=["Mon"],
            options=["Mon", "Tue"],
            x=60,
            y=300,
            width=90,
            height=60,
        )

    found = read(drawn(draw))
    said = text(found)
    for line in (
        "Cost centre: KST-8842",
        "Insured: yes",
        "Abroad: no",
        "Way of travel: Car",
        "City: Bonn",
        "Days: Mon",
    ):
        assert line in said.split("Form fields:\n")[1].split("\n"), said
    assert said.count("Way of travel") == 1
    assert "Empty: " not in said


def test_many_fields_on_a_full_page_take_no_long_time(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 4)
        for line in range(160):
            canvas.drawString(20, 820 - 5 * line, f"Row {line}: " + "words of a long row " * 14)

    fields = [
        {"/Subtype": pikepdf.Name.Widget, "/FT": pikepdf.Name.Tx, "/T": f"f{n}", "/V": f"value {n}", "/Rect": [300, n, 320, n + 4]}
        for n in range(400)
    ]  # fmt: skip
    path = tmp_path / "stored"
    path.write_bytes(annotated(*fields, content=drawn(draw)))
    assert "value 399" in text(extract(path, "application/pdf", timeout_s=5))


@pytest.mark.filterwarnings(
    "ignore:This document has 1 form widget"
)  # the made file lacks a link to its parent
def test_fields_are_read_as_the_file_inherits_them(read: Read) -> None:
    def widget(**more: object) -> dict[str, object]:
        return {"/Subtype": pikepdf.Name.Widget} | {f"/{name}": value for name, value in more.items()}

    parent = pikepdf.Dictionary(
        FT=pikepdf.Name.Tx, T="person", TU="Name of the person", V="Marlene Dietz", Kids=[]
    )
    options = [["DE", "Germany"], ["IT", "Italy"]]
    signed = pikepdf.Dictionary(Type=pikepdf.Name.Sig, Name="Ann Lee", M="D:20240305101500Z")
    found = read(
        annotated(
            widget(Parent=parent, T="kid"),
            widget(FT=pikepdf.Name.Ch, TU="Country", V="IT", Opt=options),
            widget(FT=pikepdf.Name.Ch, TU="Countries", V=["DE", "IT"], Opt=options),
            widget(FT=pikepdf.Name.Tx, TU="Secret", V="hunter2", Ff=1 << 13),
            widget(FT=pikepdf.Name.Tx, TU="Hidden", V="not shown", F=2),
            widget(FT=pikepdf.Name.Btn, TU="Send", V="x", Ff=1 << 16),
            widget(FT=pikepdf.Name.Sig, TU="Signature", V=signed),
        )
    )
    assert text(found).split("Form fields:\n")[1].split("\n") == [
        "Name of the person: Marlene Dietz", "Country: Italy", "Countries: Germany, Italy", "Signature: signed by Ann Lee on 2024-03-05",
    ]  # fmt: skip
    assert left_out(found) == ["1 password was left out.", "1 hidden form field was left out."]


def test_a_form_in_xml_gives_its_data_and_an_empty_one_says_what_to_do(read: Read) -> None:
    def form(data: str) -> bytes:
        xml = f'<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><claim>{data}</claim></xfa:data></xfa:datasets>'

        def change(pdf: pikepdf.Pdf) -> None:
            pdf.Root.NeedsRendering = True
            pdf.Root.AcroForm = pikepdf.Dictionary(Fields=[], XFA=["datasets", pdf.make_stream(xml.encode())])

        return changed(files.pdf("Please wait... If this message is not eventually replaced"), change)

    said = text(read(form("<CostCentre>KST-8842</CostCentre>")))
    assert said == "Form fields:\nCostCentre: KST-8842"
    with pytest.raises(Unreadable, match="print it to a PDF"):
        read(form(""))


# --- comments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "Text",
        "FreeText",
        "Highlight",
        "Underline",
        "StrikeOut",
        "Squiggly",
        "Caret",
        "Stamp",
        "Ink",
        "Square",
        "Polygon",
    ],
)
def test_each_kind_of_comment_is_read_after_its_page(read: Read, kind: str) -> None:
    found = read(
        annotated({"/Subtype": pikepdf.Name(f"/{kind}"), "/Contents": "Limit the liability.", "/T": "Ann"})
    )
    assert text(found) == "Contract draft\n\nComment by Ann: Limit the liability."
    assert found.facts["comments"] == 1


def test_comments_that_repeat_or_say_nothing_are_passed_over_and_hidden_ones_are_counted(read: Read) -> None:
    found = read(
        annotated(
            {"/Subtype": pikepdf.Name.Popup, "/Contents": "repeated"},
            {"/Subtype": pikepdf.Name.Highlight},
            {"/Subtype": pikepdf.Name.Text, "/Contents": "Accepted set by Ann", "/StateModel": "Review"},
            {"/Subtype": pikepdf.Name.Text, "/Contents": "invisible", "/F": 2},
            {"/Subtype": pikepdf.Name.Text, "/RC": "<body><p>Rich <b>words</b></p></body>"},
            {"/Subtype": pikepdf.Name.Movie},
        )
    )
    assert text(found) == "Contract draft\n\nComment: Rich words"
    assert left_out(found) == ["1 hidden comment was left out.", "1 recording was left out."]


# --- attached files -----------------------------------------------------------------------------


def attach(pdf: pikepdf.Pdf, name: str, data: bytes, *, portfolio: bool = False) -> None:
    pdf.attachments[name] = data
    if portfolio:
        pdf.Root.Collection = pikepdf.Dictionary(View=pikepdf.Name.T)


COVER = "For the best experience, open this PDF portfolio in Acrobat X or Adobe Reader X, or later."


def test_attached_files_are_read_under_their_names(read: Read) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        attach(pdf, "offer.docx", files.docx())
        attach(pdf, "film.mp4", b"\0\0\0\x18ftypmp42" + bytes(64))

    found = read(changed(files.pdf("See the offer."), change))
    assert "You have 26 days of leave." in text(found)
    assert ("offer.docx", "Handbook", "Leave") in [each.title_path for each in found.sections]
    assert left_out(found) == [
        "“film.mp4” was left out. This is a recording. Ragsite only reads text: add a transcript."
    ]


def test_a_file_attached_to_a_page_is_read(read: Read) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        stream = pdf.make_stream(files.pdf("Nine pumps cost 910 euros."))
        file = pikepdf.Dictionary(Type=pikepdf.Name.Filespec, UF="offer.pdf", EF=pikepdf.Dictionary(F=stream))
        note = pikepdf.Dictionary(
            Subtype=pikepdf.Name.FileAttachment, Rect=[9, 9, 20, 20], FS=file, Contents="The offer"
        )
        pdf.pages[0].Annots = [pdf.make_indirect(note)]

    said = text(read(changed(files.pdf("See the offer."), change)))
    assert "Comment: The offer" in said
    assert "offer.pdf\n\nNine pumps cost 910 euros." in said


def test_a_portfolio_is_its_files_and_not_its_cover(read: Read) -> None:
    found = read(
        changed(
            files.pdf(COVER), lambda pdf: attach(pdf, "offer.pdf", files.pdf("Nine pumps"), portfolio=True)
        )
    )
    assert text(found) == "offer.pdf\n\nNine pumps"


def test_a_portfolio_of_which_nothing_can_be_read_says_so(read: Read) -> None:
    content = changed(
        files.pdf(COVER), lambda pdf: attach(pdf, "film.mp4", b"\0\0\0\x18ftypmp42", portfolio=True)
    )
    with pytest.raises(Unreadable, match="PDF portfolio"):
        read(content)
