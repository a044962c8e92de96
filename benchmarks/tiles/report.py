"""The report: sections of Markdown, and the errors that servers answered with."""

import sys
from collections import Counter
from datetime import UTC, datetime

from benchmarks.tiles.peers import ROOT


class Report:
    """Collects what is to be said; ``errors`` decides the exit status."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        #: Server → errors that it answered with.
        self.errors: dict[str, Counter[str]] = {}

    def heading(
        self, subject: str, command: list[str], machine: str, database: str, city: str
    ) -> None:
        """Begin with what the figures are about, and were measured on."""
        today = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        self._parts.append(
            f"# {subject} against their peers, {today}\n\n"
            f"`python -m benchmarks.{subject.lower()} {' '.join(command[1:])}`\n\n"
            f"* Machine: {machine}\n* Database: {database}\n* City: {city}\n"
            "* Server, client and database share the machine: believe ratios, not absolutes.\n"
        )

    def section(self, title: str, method: str, table: str = "") -> None:
        """Add a section: what it shows, how it was measured, and the figures."""
        parts = [f"## {title}\n", *([f"{method}\n"] if method else []), *([table] if table else [])]
        self._parts.append("\n".join(parts))

    def failed(self, server: str, errors: Counter[str]) -> None:
        """Note errors; they are told at the end."""
        if errors:
            self.errors.setdefault(server, Counter()).update(errors)

    def publish(self, name: str) -> int:
        """Print the report and write it to ``.onemap/benchmarks``; return the exit status."""
        target = ROOT / ".onemap" / "benchmarks" / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M}.md"
        target.write_text(self.text(), encoding="utf-8")
        sys.stdout.write(self.text())
        sys.stderr.write(f"written to {target}\n")
        return 1 if self.errors else 0

    def text(self) -> str:
        """Return the whole as Markdown."""
        told = [f"* {name}: {dict(errors)}" for name, errors in self.errors.items()]
        end = (
            ["## Errors\n\n" + "\n".join(told) + "\n"] if told else ["No server answered errors.\n"]
        )
        return "\n".join([*self._parts, *end])
