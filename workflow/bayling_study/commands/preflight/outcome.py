"""What a check found."""

from typing import Literal, NamedTuple


class Outcome(NamedTuple):
    """One line of the preflight; a ``note`` is worth knowing and stops nothing."""

    level: Literal["ok", "note", "FAILED"]
    check: str
    found: str
    fix: str = ""

    def render(self) -> str:
        """Returns the line, with the fix below it."""
        line = f"{self.level:6}  {self.check:24} {self.found}"
        return f"{line}\n{'':9}fix: {self.fix}" if self.fix else line


def ok(check: str, found: str) -> Outcome:
    """Returns a check that passed."""
    return Outcome("ok", check, found)


def note(check: str, found: str, fix: str = "") -> Outcome:
    """Returns something worth knowing."""
    return Outcome("note", check, found, fix)


def failed(check: str, found: str, fix: str) -> Outcome:
    """Returns a check that failed, with what to change."""
    return Outcome("FAILED", check, found, fix)
