"""An answer while its parts are being put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.result import Alternative, Assumption, Notice, Result, Table, Value


@dataclass
class Draft:
    """The answer being put together."""

    headline: list[str] = field(default_factory=list[str])
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    tables: list[Table] = field(default_factory=list[Table])
    alternatives: list[Alternative] = field(default_factory=list[Alternative])
    assumptions: list[Assumption] = field(default_factory=list[Assumption])
    warnings: list[Notice] = field(default_factory=list[Notice])
    reasons: list[str] = field(default_factory=list[str])

    def lead(self, **values: Value) -> None:
        """Add values and put them next in the headline."""
        self.values |= values
        self.headline += list(values)

    def assume(self, name: str, value: float, source: str, unit: str = "") -> None:
        """Note a default that was filled in."""
        self.assumptions.append(Assumption(field=name, value=value, unit=unit, source=source))

    def result(self, tool: str) -> Result:
        """The result of the tool that answers the task of its name."""
        return Result(
            tool=tool,
            task=tool,
            headline=self.headline,
            values=self.values,
            tables=self.tables,
            alternatives=self.alternatives,
            assumptions=self.assumptions,
            warnings=self.warnings,
            reasons=self.reasons,
        )
