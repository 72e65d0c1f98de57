"""The contents of a request: photos, texts and a number, from a multipart form or a JSON object."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import quopri
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import decode_rfc2231
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from components.serving.edge.errors import RefusedError

__all__ = ["MEDIA_TYPES", "RequestForm", "media_type", "posted_form", "read_form"]

MEDIA_TYPES = ("multipart/form-data", "application/json")
MAX_PARTS = 1_000  # fields of any name: a form of a few kilobytes may have hundreds of thousands

_PHOTOS = ("images", "image")
_TEXTS = ("texts", "text")
_TOP = "top"
_OF_A_WORD = ("photos", "word", "undo", "said", "before", "after")  # fields of a review
_VALUES = (
    "name",
    "new_name",
    "version",
    "force",
    "shots",
    "seed",
    "code",
    *_OF_A_WORD,
)  # fields that only some routes read
_CHARSETS = re.compile(r"(?i)utf-?(8|16)|(us-)?ascii|(iso-8859|windows)-\d+|shift_jis|euc-\w+|gb\w+|big5|koi8-\w")

_PATH = re.compile(rb"(?i)[^\x00-\x1f]{0,250}\.(avif|bmp|gif|heic|jpe?g|png|tiff?|webp)")

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # its warnings repeat what the client is told


@dataclass(frozen=True)
class RequestForm:
    """A request's form, read.

    Attributes:
        photos: of the fields `images` and `image`, in order: the file's name (None if none was sent) and its bytes.
        texts: of the fields `texts` and `text`, in order, without the blank ones.
        top: the field `top`, None if there is none.
        others: the names of ignored fields.
        values: single fields that some routes read, by name: `name`, `new_name`, `version`, `force`, `shots`, `seed`, `code`, and those of
            a review's word.
    """

    photos: tuple[tuple[str | None, bytes], ...] = ()
    texts: tuple[str, ...] = ()
    top: str | None = None
    others: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Part:
    """One part of a multipart form."""

    headers: dict[str, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    def name(self) -> str:
        _, options = parse_options_header(self.headers.get("content-disposition"))
        return _decoded(options.get(b"name", b""))

    def file_name(self) -> str | None:
        """The file's name by `filename*` (RFC 5987), else by `filename`."""
        disposition = self.headers.get("content-disposition", b"")
        extended = re.search(rb"""(?i);\s*filename\*\s*=\s*"?([^";]+)""", disposition)
        if extended:
            charset, _, name = decode_rfc2231(extended[1].decode("latin-1").strip())
            return _decoded(unquote_to_bytes(name), charset)
        _, options = parse_options_header(disposition)
        return _decoded(options[b"filename"]) if b"filename" in options else None

    def content(self) -> bytes:
        content = b"".join(self.pieces)
        match self.headers.get("content-transfer-encoding", b"").strip().lower():
            case b"base64":  # forms written by mail libraries
                return _from_base64(content.decode("latin-1"), f"the field {_short(self.name())}")
            case b"quoted-printable":
                return quopri.decodestring(content)
        return content

    def text(self) -> str:
        _, options = parse_options_header(self.headers.get("content-type"))
        return _decoded(self.content(), options.get(b"charset", b"").decode("latin-1"))


def media_type(content_type: str) -> str:
    """The media type of a Content-Type header, in small letters, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_form(content_type: str, body: bytes) -> RequestForm:
    """The form that a request's body is.

    Args:
        content_type: the header; one of `MEDIA_TYPES`.
        body: the whole body.

    Raises:
        RefusedError: it cannot be read; the message says what is missing.
    """
    return _of_json(body) if media_type(content_type) == "application/json" else _of_multipart(content_type, body)


async def posted_form(request: Request) -> RequestForm:
    """A request's form, read outside the event loop: a large or hostile form takes seconds, and others must be
    answered.

    Raises:
        RefusedError: as `read_form`.
    """
    return await run_in_threadpool(read_form, request.headers["content-type"], await request.body())


def _of_multipart(content_type: str, body: bytes) -> RequestForm:
    photos, texts, others = [], [], []
    top = None
    values = {}
    for part in _parts(content_type, body):
        name = part.name()
        if name in _PHOTOS:
            file_name, content = part.file_name(), part.content()
            if file_name is None and _PATH.fullmatch(content):
                raise _path_sent(name, content)
            if content or file_name:  # a browser sends an empty part without a name if no file was chosen
                photos.append((file_name or None, content))
        elif name in _TEXTS:
            texts.append(part.text())
        elif name == _TOP:
            top = part.text()
        elif name in _VALUES and part.file_name() is None:
            values[name] = part.text()
        else:
            others.append(name)
    return RequestForm(tuple(photos), _not_blank(texts), top, tuple(others), values)


def _parts(content_type: str, body: bytes) -> list[_Part]:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _unreadable(
            "its Content-Type names no boundary",
            "let the client write the Content-Type of a form itself, as curl -F, fetch and requests do",
        )
    start = 0 if body.startswith(b"--" + boundary) else body.find(b"\r\n--" + boundary) + 2  # a preamble may precede it
    if start == 1:
        raise _unreadable(
            f"the boundary that its Content-Type names, {_short(_decoded(boundary))}, is nowhere in it"
            if body
            else "it is empty",
            "let the client write the Content-Type of a form itself, as curl -F, fetch and requests do",
        )
    reader = _Reader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body[start:] if start else body)
    except FormParserError as error:
        raise _unreadable(
            f"its form is broken: {error}", "send it again; curl -F writes a form that is whole"
        ) from None
    if not reader.ended:
        raise _unreadable(
            "it is cut off: the line that ends its form is missing",
            f"send the whole form, with --{_short(_decoded(boundary))}-- as its last line",
        )
    return reader.parts


class _Reader:
    """Collects the parts that the parser finds."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.ended = False
        self._name = self._value = b""

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == MAX_PARTS:
            raise _unreadable(f"it has more than {MAX_PARTS} parts", "send fewer fields")
        self.parts.append(_Part())

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self.parts[-1].headers[self._name.decode("latin-1").strip().lower()] = self._value
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].pieces.append(data[start:end])

    def _end(self) -> None:
        self.ended = True


def _of_json(body: bytes) -> RequestForm:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise _unreadable("it is not JSON", 'send an object, such as {"images": ["BASE64"]}') from None
    if not isinstance(content, dict):
        raise _unreadable("its JSON is not an object", 'send an object, such as {"images": ["BASE64"]}')
    photos = [
        (None, _from_base64(text, f"{name}[{place}]"))
        for name in _PHOTOS
        for place, text in enumerate(_strings(content, name))
    ]
    texts = [text for name in _TEXTS for text in _strings(content, name)]
    top = content.get(_TOP)
    others = [name for name in content if name not in (*_PHOTOS, *_TEXTS, _TOP, *_VALUES)]
    values = {name: _value(content, name) for name in _VALUES if content.get(name) is not None}
    return RequestForm(
        tuple(photos), _not_blank(texts), None if top is None else json.dumps(top).strip('"'), tuple(others), values
    )


def _value(content: dict[str, Any], name: str) -> str:
    """A single value as text."""
    if isinstance(content[name], int):  # true and false too
        return json.dumps(content[name])
    [*texts] = _strings(content, name)
    if len(texts) != 1:
        raise _unreadable(f"{name} is a list", f"send {name} as a single text")
    return texts[0]


def _strings(content: dict[str, Any], name: str) -> list[str]:
    value = content.get(name)
    values = [] if value is None else value if isinstance(value, list) else [value]
    for place, each in enumerate(values):
        if not isinstance(each, str) or re.search("[\ud800-\udfff]", each):  # JSON can hold half a character
            raise _unreadable(f"{name}[{place}] is no text", f"send {name} as a text, or as a list of texts")
    return values


def _from_base64(text: str, what: str) -> bytes:
    """The bytes; whitespace, the URL-safe alphabet, a data URL's prefix and missing padding are accepted."""
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    packed = re.sub(r"\s+", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "bad_base64",
            f"{what} is not base64",
            "encode the file's bytes in base64, as `base64 photo.jpg` does",
        ) from None


def _not_blank(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text.strip())


def _decoded(text: bytes, charset: str | None = None) -> str:
    """Decode in the named charset, else in UTF-8, else in Latin-1, which accepts any bytes."""
    named = [charset] if charset and _CHARSETS.fullmatch(charset) else []
    for each in (*named, "utf-8"):
        try:
            return text.decode(each)
        except (UnicodeError, LookupError):
            continue
    return text.decode("latin-1")


def _path_sent(field_name: str, path: bytes) -> RefusedError:
    sent = _short(_decoded(path))
    return RefusedError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "not_a_file",
        f"the field {field_name} holds the text {sent!r}, not a photo",
        f"send the file itself: curl -F {field_name}=@{sent}",
    )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def _unreadable(what: str, remedy: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "bad_request", f"the request cannot be read: {what}", remedy)
