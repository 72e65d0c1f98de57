"""The command reference says what the commands say of themselves."""

from flows.reference import REFERENCE, reference


def test_the_page_is_what_help_says_of_every_command() -> None:
    written = REFERENCE.read_text(encoding="utf-8")
    assert written == reference(), "write it anew: python -m flows.reference"
    assert all(f"## shotline {name}\n" in written for name in ("init", "upgrade", "train", "classify", "diff"))
