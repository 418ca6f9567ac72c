"""The one exception that users are meant to see: programs print it without a traceback and exit
with status 2 (``core.cli``). Anything else that escapes is a bug and keeps its traceback."""


class StudyError(Exception):
    """A mistake in the input, the configuration or the machine: ``what`` is wrong (one sentence, no
    full stop), ``where`` (a file, key, line or row), and a ``fix`` of one line or more."""

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(self.render())

    def render(self) -> str:
        """Returns the message as the user reads it, without a trailing newline."""
        lines = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if self.fix:
            first, *more = self.fix.splitlines()
            lines += [f"  fix: {first}", *(f"       {line}" for line in more)]
        return "\n".join(lines)
