"""Answers as lines and as a table."""

from components.ingest import PhotoError
from components.retrieval import SimilarPhoto
from components.serving.answers import Answer, RankedClass
from components.serving.results import Answers, FoundPhotos, answer_line

ANSWER = Answer((RankedClass("a b", "words", 0.75), RankedClass("c", "c", 0.25)), False, "0123456789ab")
ALONE = Answer((RankedClass("a b", "words", 1.0),), True, "0123456789ab")
TORN = Answer(ALONE.top, False, "0123456789ab", flaw="a part is missing")
BAD = PhotoError("the file is empty", on="x.jpg", remedy="give the whole file", reason="zero_byte")


def test_a_line_is_an_answer_or_an_error() -> None:
    answers = Answers(["x.jpg", None, None], [BAD, ANSWER, ALONE])
    assert answers.to_json() == [
        {"path": "x.jpg", "error": "the file is empty; give the whole file"},
        answer_line(None, ANSWER),
        answer_line(None, ALONE),
    ]
    assert answers[1:] == [ANSWER, ALONE]
    assert "flaw" not in answer_line("x.jpg", ALONE)
    assert answer_line("x.jpg", TORN)["flaw"] == "a part is missing"


def test_the_table_has_a_row_a_photo() -> None:
    table = Answers(["x.jpg", "y.jpg", None], [BAD, ANSWER, ALONE]).to_frame()
    assert list(table) == [
        *("path", "class", "probability", "second", "second_probability", "likely", "abstained", "bank", "error"),
        "flaw",
    ]
    assert table["class"].isna().tolist() == [True, False, False]
    assert table.loc[1, ["class", "probability", "second", "second_probability"]].tolist() == ["a b", 0.75, "c", 0.25]
    assert table["second"].isna().tolist() == [True, False, True]
    assert table["abstained"].tolist()[1:] == [False, True]
    assert table["error"].notna().tolist() == [True, False, False]
    assert list(Answers([], []).to_frame()) == list(table)
    assert Answers(["x.jpg"], [TORN]).to_frame()["flaw"].tolist() == ["a part is missing"]


def test_what_was_found_is_a_table_too() -> None:
    table = FoundPhotos([SimilarPhoto("data/raw/a/1.jpg", "a", 0.5)]).to_frame()
    assert table.to_dict("records") == [{"path": "data/raw/a/1.jpg", "class": "a", "similarity": 0.5}]
