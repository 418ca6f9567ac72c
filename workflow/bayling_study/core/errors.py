"""The one exception that users are meant to see.

Stage programs print a ``StudyError`` without a traceback and exit with status 2
(``bayling_study.core.cli``). Anything else that escapes is a bug and keeps its traceback.
"""


class StudyError(Exception):
    """A mistake in the input, the configuration or the machine, told in one message.

    Args:
        what: what is wrong, one sentence without a full stop.
        where: the file, key, line or row it was found in.
        fix: what to write or do instead; may hold several lines.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(self.render())

    def render(self) -> str:
        """Returns the message as the user reads it, without a trailing newline."""
        lines = [self.what if self.where is None else f"{self.where}: {self.what}"]
        if self.fix:
            fix_lines = self.fix.splitlines()
            lines.append(f"  fix: {fix_lines[0]}")
            lines += [f"       {line}" for line in fix_lines[1:]]
        return "\n".join(lines)
