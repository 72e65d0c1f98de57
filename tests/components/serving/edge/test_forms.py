"""Whatever a client writes a valid request with, it is read; what is missing in another is told."""

import base64
import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.edge.errors import RefusedError
from components.serving.edge.forms import RequestForm, read_form

JPEG = b"\xff\xd8\xff\xe0\r\n--X\r\nin the middle\r\n\x00\xff\xd9"  # holds what could be taken for a border


def multipart(*parts: tuple[str, bytes], boundary: str = "Y", end: str = "--\r\n") -> bytes:
    """A form of parts, each with its headers."""
    return (
        b"".join(f"--{boundary}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n" for headers, content in parts)
        + f"--{boundary}{end}".encode()
    )


def read(*parts: tuple[str, bytes], content_type: str = "multipart/form-data; boundary=Y", **form: Any) -> RequestForm:
    return read_form(content_type, multipart(*parts, **form))


def refusal(content_type: str, body: bytes) -> dict[str, str]:
    with pytest.raises(RefusedError) as raised:
        read_form(content_type, body)
    assert raised.value.response.status_code < 500
    told: dict[str, str] = json.loads(bytes(raised.value.response.body))
    assert all(told.values())
    return told


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('form-data; name="images"', None),
        ("form-data; name=images", None),
        ('form-data; name="image"', None),
        ('form-data; name="images"; filename="a.jpg"', "a.jpg"),
        ('form-data; name="images"; filename=""', None),
        ('form-data; filename="a.jpg"; name="images"', "a.jpg"),
        ("form-data; name=\"images\"; filename*=UTF-8''na%C3%AFve%20%E5%86%99.jpg", "naïve 写.jpg"),
        ("form-data; name=\"images\"; filename*=utf-8'de'a.jpg", "a.jpg"),
        ("form-data; name=\"images\"; filename*=iso-8859-1''na%EFve.jpg", "naïve.jpg"),
        ("form-data; name=\"images\"; filename*=nonsense''a%FF.jpg", "aÿ.jpg"),
        ('form-data; name="images"; filename="_.jpg"; filename*=UTF-8\'\'%C3%A9.jpg', "é.jpg"),
        ("form-data; name=\"images\"; FILENAME*=UTF-8''a.jpg", "a.jpg"),
        ('form-data; name="images"; filename="100%25.jpg"', "100%25.jpg"),
        ('form-data; name="images"; filename="a \\"b\\".jpg"', 'a "b".jpg'),
        ("FORM-DATA; name=images; filename=é.jpg", "é.jpg"),
    ],
)
def test_a_photo_is_one_by_its_field_with_whatever_name(disposition: str, name: str | None) -> None:
    form = read((f"Content-Disposition: {disposition}\r\nContent-Type: image/jpeg", JPEG))
    assert form == RequestForm(photos=((name, JPEG),))


def test_both_spellings_of_a_field_are_read_and_others_are_named() -> None:
    form = read(
        ('Content-Disposition: form-data; name="image"', b"1"),
        ('content-disposition: form-data; name="images"', b"2"),
        ('CONTENT-DISPOSITION: form-data; name="text"', b"rust"),
        ('Content-Disposition: form-data; name="texts"', "キズ".encode()),
        ('Content-Disposition: form-data; name="texts"', b" "),
        ('Content-Disposition: form-data; name="top"', b"7"),
        ('Content-Disposition: form-data; name="comment"', b"x" * 3_000),
        ('Content-Disposition: form-data; name="photos"; filename="a.jpg"', JPEG),
    )
    assert form == RequestForm(((None, b"1"), (None, b"2")), ("rust", "キズ"), "7", ("comment", "photos"))


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("text/plain; charset=iso-8859-1", b"na\xefve", "naïve"),
        ("text/plain; charset=UTF-8", "naïve".encode(), "naïve"),
        ("text/plain; charset=nonsense", "naïve".encode(), "naïve"),
        ("text/plain; charset=unicode_escape", b"\\ud800", "\\ud800"),
        ("text/plain; charset=utf-16", "naïve".encode("utf-16"), "naïve"),
        ("text/plain", b"na\xefve", "naïve"),
    ],
)
def test_a_text_is_read_in_its_charset(content_type: str, content: bytes, text: str) -> None:
    form = read((f'Content-Disposition: form-data; name="text"\r\nContent-Type: {content_type}', content))
    assert form.texts == (text,)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("BASE64", base64.encodebytes), ("base64", base64.b64encode), ("binary", bytes), ("8bit", bytes)],
)
def test_a_part_is_unpacked_as_it_says_it_is_packed(encoding: str, encode: Any) -> None:
    headers = f'Content-Disposition: form-data; name="images"\r\nContent-Transfer-Encoding: {encoding}'
    assert read((headers, encode(JPEG))).photos == ((None, JPEG),)


@pytest.mark.parametrize(
    "content_type",
    [
        "Multipart/Form-Data; boundary=Y",
        "MULTIPART/FORM-DATA; BOUNDARY=Y",
        'multipart/form-data; charset=utf-8; boundary="Y"',
        "multipart/form-data;boundary=Y;",
        "multipart/form-data ; boundary=Y",
    ],
)
def test_a_media_type_means_the_same_in_any_case(content_type: str) -> None:
    assert read(('Content-Disposition: form-data; name="images"', JPEG), content_type=content_type).photos


def test_what_stands_before_and_after_a_form_is_passed_over() -> None:
    whole = multipart(('Content-Disposition: form-data; name="images"', JPEG))
    for body in (b"\r\n" + whole, b"This is a form.\r\n" + whole, whole + b"more", whole.removesuffix(b"\r\n")):
        assert read_form("multipart/form-data; boundary=Y", body).photos == ((None, JPEG),)


def test_no_file_chosen_in_a_browser_is_no_photo_and_an_empty_file_is_one() -> None:
    assert read(('Content-Disposition: form-data; name="images"; filename=""', b"")).photos == ()
    assert read(('Content-Disposition: form-data; name="images"; filename="a.jpg"', b"")).photos == (("a.jpg", b""),)


def test_a_path_in_place_of_a_photo_is_told_so() -> None:
    body = multipart(('Content-Disposition: form-data; name="image"', b"some folder/photo.JPG"))
    told = refusal("multipart/form-data; boundary=Y", body)
    assert (told["code"], "-F image=@" in told["remedy"]) == ("not_a_file", True)


def test_a_form_that_is_cut_anywhere_is_told_so() -> None:
    whole = multipart(
        ('Content-Disposition: form-data; name="images"; filename="a.jpg"', JPEG),
        ('Content-Disposition: form-data; name="texts"', b"rust"),
        end="--",
    )
    for length in range(len(whole)):
        told = refusal("multipart/form-data; boundary=Y", whole[:length])
        assert told["code"] == "bad_request"
        assert length < 4 or "cut off" in told["message"] or "broken" in told["message"], (length, told)
    assert "cut off" in refusal("multipart/form-data; boundary=Y", whole[:-2])["message"]


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("multipart/form-data", b"--Y\r\n", "names no boundary"),
        ('multipart/form-data; boundary=""', b"--Y\r\n", "names no boundary"),
        ("multipart/form-data; boundary=Z", multipart(("A: b", b"")), "nowhere in it"),
        ("multipart/form-data; boundary=Y", b"", "empty"),
        ("multipart/form-data; boundary=Y", b"--Y\nA: b\n\nx\n--Y--\n", "broken"),
        (f"multipart/form-data; boundary={'Y' * 5_000}", b"--" + b"Y" * 5_000 + b"\r\n", "broken"),
        ("multipart/form-data; boundary=Y", multipart(("A: " + "b" * 100_000, b"")), "broken"),
        ("multipart/form-data; boundary=Y", multipart(*[("A: b", b"")] * 1_001), "more than 1000 parts"),
        ("application/json", b"", "not JSON"),
        ("application/json", b"\xff\xfe\xfd", "not JSON"),
        ("application/json", b"[" * 100_000, "not JSON"),
        ("application/json", b"9" * 10_000, "not"),
        ("application/json", b'["a"]', "not an object"),
        ("application/json", b'{"images": [1]}', "images[0] is no text"),
        ("application/json", b'{"images": {"a": "b"}}', "images[0] is no text"),
        ("application/json", b'{"images": ["AAAA", "no photo!"]}', "images[1] is not base64"),
        ("application/json", '{"image": "é"}'.encode(), "image[0] is not base64"),
        ("application/json", b'{"texts": ["\\ud800"]}', "texts[0] is no text"),
    ],
)
def test_what_is_missing_in_a_request_is_told(content_type: str, body: bytes, message: str) -> None:
    assert message in refusal(content_type, body)["message"]


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(JPEG).decode(),
        base64.b64encode(JPEG).decode().rstrip("="),
        base64.urlsafe_b64encode(JPEG).decode(),
        base64.encodebytes(JPEG).decode(),
        "data:image/jpeg;base64," + base64.b64encode(JPEG).decode(),
    ],
)
def test_json_carries_photos_in_base64(text: str) -> None:
    body = json.dumps({"images": [text, text], "text": "rust", "top": 7, "comment": None}).encode()
    assert read_form("Application/JSON; charset=utf-8", body) == RequestForm(
        ((None, JPEG),) * 2, ("rust",), "7", ("comment",)
    )
    assert read_form("application/json", json.dumps({"image": text, "top": "7"}).encode()).photos == ((None, JPEG),)


@given(st.binary(max_size=300), st.integers(0, 299), st.binary(min_size=1, max_size=3))
def test_no_bytes_at_all_are_more_than_refused(noise: bytes, place: int, put: bytes) -> None:
    whole = multipart(
        ("Content-Disposition: form-data; name=\"images\"; filename*=UTF-8''a.jpg\r\nContent-Type: image/jpeg", JPEG),
        ('Content-Disposition: form-data; name="texts"\r\nContent-Transfer-Encoding: base64', b"cnVzdA=="),
    )
    changed = whole[:place] + put + whole[place + len(put) :]
    for content_type in ("multipart/form-data; boundary=Y", "application/json"):
        for body in (noise, changed, re.sub(rb"\r\n", b"\n", changed)):
            with suppress(RefusedError):  # a client's fault, told; `test_what_is_missing...` holds its form
                assert isinstance(read_form(content_type, body), RequestForm)
