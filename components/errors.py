"""Every error that a person meets: what happened, on what, and what to do.

Callers catch `ShotlineError`. Its subclasses say who has to act, and so decide the exit code.
"""

__all__ = ["RefusedByGateError", "ShotlineError", "UserInputError"]


class ShotlineError(Exception):
    """Something went wrong; catch this to show the three lines and go on.

    Attributes:
        what: what happened, one sentence without a full stop, with the value found.
        on: the file, image, class or parameter that it happened on.
        remedy: what the reader can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, on: str, remedy: str) -> None:
        super().__init__(f"{what} ({on}); {remedy}")
        self.what = what
        self.on = on
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders (worker pools); keyword arguments need telling how.
        return (_rebuild, (type(self), self.what, self.on, self.remedy))


class UserInputError(ShotlineError):
    """What was given cannot be used: a path, a parameter, a photo, a name."""

    exit_code = 2


class RefusedByGateError(ShotlineError):
    """The gate found that what should go live would do harm."""

    exit_code = 3


def _rebuild(kind: type[ShotlineError], what: str, on: str, remedy: str) -> ShotlineError:
    return kind(what, on=on, remedy=remedy)
