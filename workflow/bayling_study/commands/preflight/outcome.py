"""What a check found."""

from functools import partial
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


ok, note, failed = partial(Outcome, "ok"), partial(Outcome, "note"), partial(Outcome, "FAILED")
