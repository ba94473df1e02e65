"""Office files that hold everything their format can hold: each part is in the text, or named as left out."""

import base64
import zlib
from collections.abc import Callable

import openpyxl
import pytest

from documents.errors import Unreadable
from documents.ingestion.extract import Extraction
from tests.documents.parsing import files
from tests.documents.parsing import office_files as office

Read = Callable[..., Extraction]


def text(found: Extraction) -> str:
    return "\n\n".join(section.text for section in found.sections)


def left_out(found: Extraction) -> list[str]:
    return [note.text for note in found.notes if note.kind == "left_out"]


# --- Word ---------------------------------------------------------------------------------------


def test_each_part_of_a_word_document_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.docx", office.everything_in_word())
    said = text(found)
    for part in (
        "Page header: Contract K-17", "every 1-2 hours, up to 10^6", "Keep this. Inserted words.", "Costs[2] and dates[3]",
        "Footnote 2: Without tax.", "Endnote 3: Working days.", "Comment by Ann: Is this final?", "Words in a text box",
        "| North | 12 |\n| North | 14 |", "In a content control", "Result of a field", "[x] Insured", "≤ 5 bar☑", "r^2",
        "[Picture: A pump in a hall]", "Pumps sold\n|  | North |\n| May | 77 |", "- Order, pay, collect",
        "c) First item\nd) Second item", "Page footer: Confidential", "sheet1.xlsx\n\nCups\n\n| Team | Wins |",
    ):  # fmt: skip
        assert part in said, part
    for part in ("Deleted", "Moved away", "Invisible", "secret_code", "93"):
        assert part not in said, part
    assert said.count("Words in a text box") == 1
    assert found.sections[1].title_path == ("The tender",)
    assert left_out(found) == [
        "2 deleted passages were left out.",
        "1 hidden passage was left out.",
        "1 picture was left out.",
    ]
    assert found.facts["comments"] == 1


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([office.r("a"), office.r("<w:softHyphen/>"), office.r("b")], "ab"),
        ([office.r("Nr."), office.r("<w:tab/>"), office.r("7")], "Nr.\t7"),
        ([office.r("log"), office.r("2", '<w:vertAlign w:val="subscript"/>'), office.r("8")], "log2 8"),
        ([office.r("1"), office.r("st", '<w:vertAlign w:val="superscript"/>'), office.r(" floor")], "1st floor"),
        ([office.r("10"), office.r("-", '<w:vertAlign w:val="superscript"/>'), office.r("6", '<w:vertAlign w:val="superscript"/>')], "10^-6"),
        (["<w:hyperlink>" + office.r("the link") + "</w:hyperlink>"], "the link"),
        (['<w:fldSimple w:instr=" DATE "><w:r><w:t>5 May</w:t></w:r></w:fldSimple>'], "5 May"),
        ([office.r("<w:ruby><w:rt><w:r><w:t>とう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東</w:t></w:r></w:rubyBase></w:ruby>")], "東 (とう)"),
        ([office.r('<w:sym w:font="Wingdings" w:char="F0A8"/>'), office.r(" no")], "☐ no"),
        ([office.r("shown", '<w:vanish w:val="0"/>')], "shown"),
    ],
    ids=["soft hyphen", "tab", "subscript", "ordinal", "power", "link", "simple field", "ruby", "check box", "not hidden"],
)  # fmt: skip
def test_the_characters_of_a_run_are_those_that_word_prints(read: Read, runs: list[str], said: str) -> None:
    assert text(read("a.docx", office.docx(office.p(*runs)))) == said


def test_a_paragraph_whose_end_was_deleted_continues_in_the_next(read: Read) -> None:
    first = office.p(office.r("The seller "), properties="<w:rPr><w:del/></w:rPr>")
    assert (
        text(read("a.docx", office.docx(first + office.p(office.r("delivers."))))) == "The seller delivers."
    )


def test_a_deleted_row_of_a_table_is_left_out(read: Read) -> None:
    cell = f"<w:tc>{office.p(office.r('{}'))}</w:tc>"
    table = f"<w:tbl><w:tr>{cell.format('kept')}{cell.format('1')}</w:tr><w:tr><w:trPr><w:del/></w:trPr>{cell.format('gone')}</w:tr></w:tbl>"
    found = read("a.docx", office.docx(table))
    assert (text(found), left_out(found)) == ("| kept | 1 |", ["1 deleted passage was left out."])


def test_headings_are_numbered_as_word_numbers_them(read: Read) -> None:
    levels = "".join(
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="{label}"/></w:lvl>'
        for at, label in enumerate(("%1", "%1.%2"))
    )
    numbering = f'<w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
    styles = "".join(
        f'<w:style w:styleId="H{at}"><w:name w:val="heading {at}"/><w:pPr><w:numPr><w:ilvl w:val="{at - 1}"/><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        for at in (1, 2)
    )
    heads = ((1, "Scope"), (2, "Parties"), (2, "Term"), (1, "Price"), (2, "Tax"))
    body = "".join(
        office.p(office.r(name), properties=f'<w:pStyle w:val="H{at}"/>') + office.p(office.r("Text."))
        for at, name in heads
    )
    found = read("a.docx", office.docx(body, styles=styles, numbering=numbering))
    assert [section.title_path[-1] for section in found.sections] == [
        "1 Scope", "1.1 Parties", "1.2 Term", "2 Price", "2.1 Tax",
    ]  # fmt: skip


def test_the_layout_parser_says_what_it_leaves_out(read: Read) -> None:
    [note] = read("a.docx", files.docx(), "layout").notes
    assert "leaves out comments" in note.text


# --- Excel --------------------------------------------------------------------------------------


def test_each_part_of_a_workbook_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.xlsx", office.everything_in_excel())
    said = text(found)
    for part in (
        "| Guest | Discount | Arrival |", "| Okafor | 7.5% | 14:30 |", "| Okafor | 50.0% | 05.03.2024 |",
        "| TRUE | #N/A | =SUM(B2:B3) |", "| 10^6 |", "Comment on B2 by Ann: Only this year.", "Page header: Price list 7",
        "Words in a text box", "Pumps sold\n|  | North |\n| May | 77 |", "You have 26 days of leave.",
    ):  # fmt: skip
        assert part in said, part
    assert "Secret" not in said
    assert left_out(found) == [
        "1 picture was left out.",
        "1 hidden row was left out: Rates 4.",
        "1 hidden column was left out: Rates D.",
        "1 hidden sheet was left out: Margins.",
    ]
    assert any("Formulas without a stored result" in note.text for note in found.notes)


def test_rows_behind_a_filter_are_read(read: Read) -> None:
    rows = office.row(1, office.text_cell("A1", "City")) + office.row(
        2, office.text_cell("A2", "Bonn"), attributes='hidden="1"'
    )
    filters = '<autoFilter ref="A1:A2"><filterColumn colId="0"/></autoFilter>'
    found = read("a.xlsx", office.xlsx(f"<sheetData>{rows}</sheetData>{filters}"))
    assert "| Bonn |" in text(found)
    assert left_out(found) == []


def test_odd_spans_of_a_word_table_keep_its_columns(read: Read) -> None:
    def cell(words: str, span: str = "1") -> str:
        return f'<w:tc><w:tcPr><w:gridSpan w:val="{span}"/></w:tcPr>{office.p(office.r(words))}</w:tc>'

    rows = (
        cell("Region") + cell("Price"),
        '<w:trPr><w:gridBefore w:val="1"/></w:trPr>' + cell("12 euros"),
        cell("North", "many") + cell("14 euros", "1000000000"),
    )
    table = f"<w:tbl>{''.join(f'<w:tr>{each}</w:tr>' for each in rows)}</w:tbl>"
    said = text(read("a.docx", office.docx(table)))
    assert "|  | 12 euros |" in said
    assert "| North | 14 euros |" in said
    assert len(said) < 1000


def test_many_hidden_rows_merged_cells_and_wide_gaps_take_no_long_time(read: Read) -> None:
    rows = "".join(
        f'<row hidden="{number % 2}"><c r="A{number}"><v>{number}</v></c><c r="XFD{number}"><v>7</v></c></row>'
        for number in range(1, 30_001)
    )
    merged = "".join(
        f'<mergeCell ref="A{n}:B{n + 900}"/><mergeCell ref="C{n}:C{n + 900}"/>' for n in range(1, 5000)
    )
    found = read("a.xlsx", office.xlsx(f"<sheetData>{rows}</sheetData>{merged}"), timeout_s=20)
    assert "| 29998 |  | 7 |\n\n| 30000 |  | 7 |" in text(found)
    assert any(note.count == 15_000 for note in found.notes)


def test_a_gap_between_columns_keeps_its_empty_cells(read: Read) -> None:
    rows = office.row(
        1, office.text_cell("A1", "Item"), office.text_cell("D1", "Price"), office.text_cell("ZZ1", "Note")
    )
    assert "| Item |  |  | Price |  | Note |" in text(
        read("a.xlsx", office.xlsx(f"<sheetData>{rows}</sheetData>"))
    )


def test_a_gap_of_a_billion_columns_takes_no_memory(read: Read) -> None:
    gap = '<table:table-cell table:number-columns-repeated="1000000000"/>'
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = f"<table:table-row>{cell.format('Item')}{gap}{cell.format('Note')}</table:table-row>"
    found = read(
        "a.ods", office.opendocument("spreadsheet", f"<table:table>{rows}</table:table>"), timeout_s=5
    )
    assert "| Item |  | Note |" in text(found)


def test_a_sheet_that_lays_out_to_a_huge_table_is_refused(read: Read) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    names = [a + b + c for a in ("", *letters[:10]) for b in letters for c in letters]
    rows = "".join(office.row(n, office.text_cell(f"{name}{n}", "x")) for n, name in enumerate(names, 1))
    with pytest.raises(Unreadable, match="more than 20,000,000 characters"):
        read("a.xlsx", office.xlsx(f"<sheetData>{rows}</sheetData>"), timeout_s=60)


def test_a_workbook_with_nothing_but_hidden_sheets_says_so(read: Read) -> None:
    hidden = '<sheet name="Margins" sheetId="2" state="hidden" r:id="s2"/>'
    with pytest.raises(Unreadable, match=r"contains no text.* 1 hidden sheet was left out: Margins\."):
        read("a.xlsx", office.xlsx("<sheetData/>", workbook=hidden))


@pytest.mark.parametrize(
    ("number", "code", "shown"),
    [
        (0.075, "0.0%", "7.5%"), (0.5, "0%", "50%"), (14.5 / 24, "hh:mm", "14:30"), (45356, "DD.MM.YYYY", "05.03.2024"),
        (45356, "yyyy\\-mm\\-dd", "2024-03-05"), (45356, "d mmmm yyyy", "5 March 2024"), (45356.5, "m/d/yy h:mm AM/PM", "3/5/24 12:00 PM"),
        (45356, "[$-407]d. MMMM yyyy", "5. März 2024"), (45356, "[$-de-AT]MMMM", "März"), (45356, "[$-40C]dddd d mmmm", "mardi 5 mars"),
        (45356, "[$-419]d mmmm yyyy", "5 марта 2024"), (45356, "[$-419]mmmm yyyy", "март 2024"), (45356, "[$-411]m月d日(aaa)", "3月5日(火)"),
        (45356, "[$-1010439]mmmm", "मार्च"), (45356, "[$-F800]dddd, mmmm dd, yyyy", "Tuesday, March 05, 2024"),
        (45356, "[$-zz-QQ]mmm yy;@", "Mar 24"), (45356, "mmmmm", "M"),
        (1.75, "[h]:mm", "42:00"), (7, "00000", "00007"), (12, '0&quot;-&quot;0', "1-2"), (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (1234567.891, "#,##0.00", "1,234,567.89"), (19.9, "#,##0.00\\ [$€-407]", "19.90 €"), (-5, "#,##0;(#,##0)", "(5)"),
        (-0.001, "0.00", "0.00"), (12345, "0.00E+00", "1.23E+04"), (1.5, "# ?/?", "1 1/2"), (1234567, "#,##0,&quot;k&quot;", "1,235k"),
        (0, "0;-0;&quot;none&quot;", "none"), (3, "0&quot; kg&quot;", "3 kg"), (150, "[&lt;100]&quot;low&quot;;[&gt;=100]&quot;high&quot;", "high"),
        (0.1 + 0.2, "General", "0.3"), (1e21, "General", "1E+21"), (1.005, "0.00", "1.01"), (0.5, "mm:ss.0", "00:00.0"),
    ],
)  # fmt: skip
def test_a_number_is_written_as_its_format_shows_it(read: Read, number: float, code: str, shown: str) -> None:
    rows = f"<sheetData>{office.row(1, office.text_cell('A1', 'x'), office.number_cell('B1', repr(number), 1))}</sheetData>"
    assert text(read("a.xlsx", office.xlsx(rows, formats={1: code}))).endswith(f"| x | {shown} |")


def test_a_library_writes_the_same_workbook(read: Read) -> None:
    book = openpyxl.Workbook()
    book.active.append(["00123", "1-2", 12, None, 3.5])
    book.active["C1"].number_format = "0.00"
    found = read("a.xlsx", files.saved(book))
    assert "| 00123 | 1-2 | 12.00 |  | 3.5 |" in text(found)


# A workbook of Excel 97, written with xlwt: a percentage, a time, a date, leading zeros, hidden parts
_OLD_WORKBOOK = (
    "c-rk)OK4L;6g~6u(tO%9X-$Pz2%%6vwUmk=BDBv+wX4)x5x<~m8f|Ek$V;jyh}D{<Ai7fA6zXqNf8Yld6kNCvD!LE^p|wj_f`W^-"
    "@y^Xl+QtYC)I#;0F!#;9b7$tx%y~1D_in6WeE5FN1oF@V3ue*|l+3XSN{+1J0hOoIGMjzcDWy#;D>&@5kR?_;bG^06HI(Z;0R{KeS0sTiln&uI"
    "I^wage+jXTV+aZvL$gqcdkU^oDn~WPRmn2Mas|t~?E9SMR<>MZ*-"
    "XCU;sD09j{408kM}9HTvkp};4#<v#Fh=H!W+rsvzJ81*NRp>672tf3w&xBMnLRn568l~)E&416=-"
    "T~s`IH%+$2x*_HKzrrFKhdO%guUjoWYnZEcN#K;wSGIJ`u$5&TH|f$!P9<fY%VFRfjG>_6w*ZGW)aX|)U49klR;?2-"
    "b7?4?A8eESuJcr=Lg5g}j16kPCHWr-DC!DKj*f*YG`l8ZJ3g8H#YEHQ<Hl8c<kwS6F*NYcU67D<HS1F<BTTXj8hBG~T&c85cHIOz|?`v;;i+Sz"
    "vY1&_vcXRbhxpPcoIa{Eqs#_^u$nYSmpc&8{M*+VhOd<E|p9-"
    "5x1JKx?1x;wSQY#HQpP{u4!Cx?eL&dC~OXQ;k~ewRz#e3n8fXHPXJ>$!#XEYEW<t2kf7(n|xT=jzTXBeP?OeJ*h6YU+0*<Ab(lPJS)rQ(t#I@u"
    "eoUb(9}%pE&Iu{iqG2mX@%G;}jS|gJ=-fu1Y-BvQJ^`v!7X3|F-"
    "Aa6^{{n+PEUPF)iPCLIul=CTC0JG{u;^jAkLtVzeb#pWl|?w&d(sXuf2umB!c}Y8i_{(d=PNYO)n2uay@(3PJPdBSRG)yjDn;o)(TR<LNj0vv7"
    "Zsg)K@Y9?8b&JekE}G6Z=H$udIZ<Z@+%D9DJC?5v{DteP-"
    "k!h{JECYA<*?_=OwkD9qs^C@jJzUxd=nlV3<{IlpnoPJ6ATeclBdg?e;6n|F2Dza^f1=h)aFO=9zz3b>hH^<ReG=J$fD&~%7!4*A=_X-"
    "u;|4cD){^kCE0l=g^tp"
)


def test_an_old_workbook_shows_what_excel_shows(read: Read) -> None:
    found = read("a.xls", zlib.decompress(base64.b85decode(_OLD_WORKBOOK)))
    said = text(found)
    assert "| Okafor | 7.5% | 14:30 |\n|  | 00007 | 05.03.2024 |" in said
    assert "Secret" not in said
    assert left_out(found) == [
        "1 hidden row was left out: Rates 4.",
        "1 hidden column was left out: Rates D.",
        "1 hidden sheet was left out: Margins.",
    ]
    assert any("Save it as .xlsx" in note.text for note in found.notes)


def test_a_workbook_that_no_standard_explains_is_read_with_a_warning(read: Read) -> None:
    rows = office.row(1, office.text_cell("A1", "Bolt"), '<c r="B1"><v>3</v></c>')
    content = office.xlsx(f'<cols><col min="x" max="1" hidden="1"/></cols><sheetData>{rows}</sheetData>')
    [note] = read("a.xlsx", content).notes
    assert "is unusual and was read in a simpler way" in note.text


def test_rich_text_keeps_its_numbers_and_comments_and_loses_what_was_deleted(read: Read) -> None:
    source = (
        rb"{\rtf1\ansi{\header Contract K-17\par}Give it every 1\_2 hours, 10{\super 6} parts, H{\sub 2}O.\par "
        rb"{\deleted DELETED}{\revised inserted}{\v HIDDEN}\par Costs{\footnote Without tax.}{\*\annotation Is this final?}\par}"
    )
    found = read("a.rtf", source)
    said = text(found)
    for part in (
        "Contract K-17",
        "every 1-2 hours, 10^6 parts, H2O.",
        "inserted",
        "Without tax.",
        "Comment: Is this final?",
    ):
        assert part in said, said
    assert "DELETED" not in said
    assert "HIDDEN" not in said
    assert left_out(found) == ["1 deleted passage was left out."]
    assert any("Save it as .docx" in note.text for note in found.notes)


# --- PowerPoint ---------------------------------------------------------------------------------


def test_each_part_of_a_presentation_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.pptx", office.everything_in_powerpoint())
    said = text(found)
    for part in (
        "Below the title", "20 m^2", "In a group", "In an inner group", "| Gasket | 3 euro |", "Pumps sold", "| May | 77 |",
        "- Order, pay, collect", "[Picture: A pump in a hall]", "Speaker notes: Show the film", "Comment by Ann: Too many words",
        "Slide footer: Internal use", "sheet1.xlsx\n\nCups\n\n| Team | Wins |",
    ):  # fmt: skip
        assert part in said, part
    assert "Secret" not in said
    assert "Hidden" not in said
    assert (found.sections[0].title_path, found.page_count) == (("Safety first",), 2)
    assert left_out(found) == [
        "1 picture was left out.",
        "1 hidden shape was left out.",
        "1 hidden slide was left out: 2.",
    ]


# --- OpenDocument -------------------------------------------------------------------------------


def test_each_part_of_an_open_text_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.odt", office.everything_in_odt())
    said = text(found)
    for part in (
        "Page header: Contract K-17", "Up to 10^6", "Costs[1] and dates", "Footnote 1: Without tax.", "Comment by Ann: Is this final?",
        "- First item\n- Second item", "Words in a text box", "[Picture: A pump in a hall]", "Pumps sold\n| May | 77 |",
        "| North | 12 |\n| North | 14 |", "Cost centre: KST-8842\nInsured: yes", "Page footer: Confidential",
    ):  # fmt: skip
        assert part in said, part
    for part in ("Deleted", "Invisible", "Hidden", "93"):
        assert part not in said, part
    assert left_out(found) == [
        "1 deleted passage was left out.",
        "2 hidden passages were left out.",
        "1 picture was left out.",
        "“Object 2” was left out. It is not stored in this file.",
    ]


def test_each_part_of_an_open_spreadsheet_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.ods", office.everything_in_ods())
    said = text(found)
    assert "| Okafor | 7.5% |" in said
    assert "Comment by Ann: Is this final?" in said
    assert "| May | 77 |" in said
    assert "Secret" not in said
    assert left_out(found) == [
        "1 hidden row was left out: Rates 2.",
        "1 hidden column was left out: Rates C.",
        "1 hidden sheet was left out: Margins.",
    ]


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ('office:value-type="float" office:value="7.50"', "7.5"),
        ('office:value-type="percentage" office:value="0.075"', "7.5%"),
        ('office:value-type="currency" office:value="12" office:currency="EUR"', "12 EUR"),
        ('office:value-type="date" office:date-value="2026-03-05"', "2026-03-05"),
        ('office:value-type="date" office:date-value="2026-03-05T14:30:00"', "2026-03-05T14:30:00"),
        ('office:value-type="time" office:time-value="PT14H30M00S"', "14:30:00"),
        ('office:value-type="boolean" office:boolean-value="true"', "TRUE"),
        ('office:value-type="string" office:string-value="Valve"', "Valve"),
        ('table:formula="of:=SUM([.A1:.B2])" office:value-type="float" office:value="3"', "3"),
        ('table:formula="of:=SUM([.A1:.$B$2];[Costs.C1])"', "=SUM(A1:B2;Costs.C1)"),
    ],
)
def test_a_cell_of_an_open_spreadsheet_without_text_has_its_value(
    read: Read, attributes: str, shown: str
) -> None:
    cells = f"<table:table-cell><text:p>Item</text:p></table:table-cell><table:table-cell {attributes}/>"
    rows = f'<table:table table:name="Rates"><table:table-row>{cells}</table:table-row></table:table>'
    found = read("a.ods", office.opendocument("spreadsheet", rows))
    assert f"| Item | {shown} |" in text(found)
    assert bool(found.notes) == shown.startswith("=")


def test_each_part_of_an_open_presentation_is_in_its_text_or_named_as_left_out(read: Read) -> None:
    found = read("a.odp", office.everything_in_odp())
    said = text(found)
    for part in (
        "In a group",
        "In a shape",
        "Comment by Ann: Is this final?",
        "Speaker notes: Show the film",
    ):
        assert part in said, part
    assert "Secret" not in said
    assert (found.sections[0].title_path, found.page_count) == (("Safety first",), 2)
    assert left_out(found) == ["1 hidden slide was left out: 2."]
