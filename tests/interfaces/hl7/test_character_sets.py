"""Character sets: MSH-18 and MSH-20 (HL7 v2.5.1 2.15.9.18, 2.15.9.20, table 0211)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.hl7.syntax.character_sets import Er7Error, codec_for, decode, encode

MSH = b"MSH|^~\\&|HIS\rPID|1||"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("8859/1", "BÄRS"),
        ("8859/2", "Łukasz"),
        ("8859/3", "Ħ"),
        ("8859/4", "Ķ"),
        ("8859/5", "Иванов"),
        ("8859/6", "محمد"),
        ("8859/7", "Ελένη"),
        ("8859/8", "שלום"),
        ("8859/9", "İş"),
        ("8859/15", "€"),
        ("ASCII", "BARS"),
        ("ISO IR6", "BARS"),
        ("ISO IR14", "ﾔﾏﾀﾞ"),
        ("ISO IR87", "山田"),
        ("ISO IR159", "丂"),
        ("ASCII~ISO IR87", "山田 Taro"),
        ("ISO IR14~ISO IR87", "山田ﾀﾛｳ"),
        ("UNICODE UTF-8", "山田Ä"),
        ("GB 18030-2000", "张三㐀"),
        ("KS X 1001", "김철수"),
        ("BIG-5", "王小明"),
        ("Windows-1252", "“€”"),
        ("CP1252", "“€”"),
        ("windows-1251", "Иванов"),
        ("UTF-8", "Ä"),
        ("utf8", "Ä"),
        ("ISO8859-1", "Ä"),
        ("ISO-8859-1", "Ä"),
        ("ISO_IR 100", "Ä"),
        ("Shift_JIS", "山田"),
    ],
)
def test_a_text_of_each_set_round_trips(name, text):
    raw = MSH + encode(text, name)
    assert decode(raw, name.split("~")).text == MSH.decode() + text


def test_second_bytes_that_look_like_delimiters_are_none():
    raw = "MSH|^~\\&|功\rPID|許功蓋".encode("big5")
    assert b"\\" in "功".encode("big5")
    assert decode(raw, ["BIG-5"]).text == "MSH|^~\\&|功\rPID|許功蓋"


def test_japanese_is_read_by_iso_2022_with_or_without_msh_20():
    raw = MSH + b"YAMADA^TAROU~\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    for names, handling in (
        (["", "ISO IR87"], "ISO 2022-1994"),
        (["ISO IR87"], ""),
        (["ASCII", "ISO IR87"], ""),
    ):
        assert decode(raw, names, handling).text.endswith("YAMADA^TAROU~山田^太郎")


def test_katakana_kanji_and_supplementary_kanji_mix():
    raw = MSH + b"\xd4\xcf^\x1b$B;3ED\x1b$(D0\x21\x1b(J^\x1b(I1\x1b(B"
    text = decode(raw, ["ISO IR14", "ISO IR87", "ISO IR159"], "ISO 2022-1994").text
    assert text.endswith("ﾔﾏ^山田丂^ｱ")


def test_a_segment_begins_in_the_initial_sets():
    raw = MSH + b"\x1b$B;3ED\rPV1|1|O"
    assert decode(raw, ["ISO IR87"]).text.endswith("山田\rPV1|1|O")


def test_single_byte_sets_are_designated_to_g1():
    raw = MSH + b"\xc4^\x1b-B\xb1^\x1b-L\xb1\r\xc4"
    assert decode(raw, ["8859/1", "8859/2", "8859/5"]).text.endswith("Ä^ą^Б\rÄ")


def test_an_unknown_designation_is_refused_with_its_place():
    with pytest.raises(Er7Error) as caught:
        decode(MSH + b"a\x1b(Zb", ["ISO IR87"])
    assert caught.value.code == 102
    assert f"position {len(MSH) + 1}" in caught.value.text


def test_without_msh_18_strict_utf_8_is_tried_and_nothing_else():
    assert decode(MSH + "Ä".encode()).text.endswith("Ä")
    assert decode(MSH + "Ä".encode(), [""]).codec == "utf-8"
    with pytest.raises(Er7Error) as caught:
        decode(MSH + b"B\xc4RS")
    assert (caught.value.code, caught.value.location) == (102, "PID^1^3")
    assert f"byte 0xC4 at position {len(MSH) + 1}" in caught.value.text


def test_the_override_of_a_source_wins():
    assert decode(MSH + b"\xc4", override="8859/1").text.endswith("Ä")
    assert decode(MSH + b"\xc4", ["UNICODE UTF-8"], override="8859/1").text.endswith("Ä")
    assert decode(MSH + b"\xc4", ["NONSENSE"], override="8859/1").text.endswith("Ä")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("UNICODE UTF-8", b"\xc4\x20"),
        ("UNICODE UTF-8", b"\xed\xa0\x80"),
        ("8859/7", b"\xff"),
        ("ISO IR14", b"\x81\x40"),
        ("KS X 1001", b"\xff"),
        ("GB 18030-2000", b"\xff"),
        ("UTF-16", b"\x00\xd8"),
        ("ASCII", b"\xff"),
        ("ISO IR87", b"\xff\x1b(B"),
    ],
)
def test_bytes_that_are_not_of_the_set_are_refused(name, bad):
    with pytest.raises(Er7Error) as caught:
        decode(MSH + bad, [name])
    assert caught.value.code == 102


@pytest.mark.parametrize(
    "name", ["NONSENSE", "CNS 11643-1992", "2.3.1", "utf_8_sig", "rot13", "idna", "x" * 999]
)
def test_an_unknown_set_is_a_table_value_not_found(name):
    with pytest.raises(Er7Error) as caught:
        decode(MSH, [name])
    assert (caught.value.code, caught.value.location) == (103, "MSH^1^18")
    with pytest.raises(Er7Error):
        codec_for(name)


def test_a_character_that_the_set_has_not_is_refused():
    for name in ("ASCII", "8859/1", "ISO IR14", "ISO IR87"):
        with pytest.raises(Er7Error) as caught:
            encode("a€", name)
        assert "U+20AC at character 1" in caught.value.text


@given(
    st.binary(max_size=100),
    st.lists(st.sampled_from(["", "ISO IR14", "ISO IR87", "8859/1", "UTF-16"]), max_size=3),
)
def test_any_bytes_are_decoded_or_refused(raw, names):
    for text in (raw, MSH + b"\x1b$B" + raw, MSH + raw + b"\x1b(I" + raw):
        try:
            decode(text, names, "ISO 2022-1994")
        except Er7Error as error:
            assert error.code == 102


LETTERS = st.characters(min_codepoint=0xC0, max_codepoint=0xFF, exclude_characters="×÷")


@given(st.text(LETTERS, min_size=1), st.sampled_from(["8859/1", "8859/15", "8859/9", "Windows-1252"]))
def test_letters_of_the_set_that_is_declared_are_never_taken_for_another(text, name):
    raw = MSH + text.encode(codec_for(name), "ignore")
    assert decode(raw, [name], detect=True) == decode(raw, [name])


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x2FFF, exclude_categories=["C"])))
@pytest.mark.parametrize("name", ["8859/1", "8859/15", "8859/9", "Windows-1252"])
def test_utf_8_that_is_declared_western_is_read_as_utf_8(name, text):
    assert decode(MSH + text.encode(), [name], detect=True).text == MSH.decode() + text


@given(st.lists(st.sampled_from(["Ä", "Ö", "é", "a€", "b“", "c”", " –", "dŒ", "™"])).map(" ".join))
def test_windows_letters_that_are_declared_latin_are_no_control_characters(text):
    found = decode(MSH + text.encode("cp1252"), ["8859/1"], detect=True).text
    assert found == MSH.decode() + text and not any(0x80 <= ord(letter) < 0xA0 for letter in found)


@pytest.mark.parametrize(("name", "text"), [("8859/2", "KÓŁKO"), ("8859/5", "ТА"), ("8859/7", "Ελένη")])
def test_sets_whose_words_may_look_like_utf_8_are_read_as_they_are_declared(name, text):
    assert decode(MSH + encode(text, name), [name], detect=True).text == MSH.decode() + text
