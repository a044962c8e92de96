"""Write a proposed mapping as the YAML that ``--mapping`` takes, with the reasons as comments."""

from typing import Any

import yaml

from etl.suggest import Proposal, Suggestion

_WIDE = 100_000


def as_yaml(suggestion: Suggestion) -> str:
    """Return the mapping file of a suggestion."""
    look, layer = suggestion.look, suggestion.layer
    described = f"{look.info.layer}: {look.info.format}"
    lines = [
        f"# Proposed from the first {look.rows:,} rows: read it, mend it, then load with it.",
        "# Layers that fit: "
        + ", ".join(f"{name} ({score:.2f})" for name, score in suggestion.layers),
        *(f"# {note}" for note in look.notes),
        f"layer: {layer.name}   # {layer.title.zh} {layer.title.en}",
        f"source: {flow(described)}",
    ]
    if look.info.position:
        lines.append(f"# The position comes from {', '.join(look.info.position)}.")
    lines += [f"{key}: {flow(value)}" for key, value in suggestion.head.items()]
    lines += ['# valid_from: "2016-01-01"   # since when things are so']
    lines += _fields(suggestion.fields)
    if suggestion.unmatched:
        lines.append("# Columns that no field takes:")
        for column in suggestion.unmatched:
            lines.append(f"#   {_line(column.name)}: {_line(column.examples) or '(empty)'}")
    return "\n".join(lines) + "\n"


def _fields(proposals: tuple[Proposal, ...]) -> list[str]:
    found = [proposal for proposal in proposals if proposal.rule is not None]
    lines = ["fields:" if found else "fields: {}"]
    for proposal in proposals:
        name, title = proposal.field.name, proposal.field.title
        told = _line("; ".join(proposal.reasons))
        if proposal.rule is None:
            lines.append(f"  # {name}: {title.zh} {title.en}: {told}")
            continue
        lines.append(f"  # {title.zh} {title.en}, {proposal.confidence:.0%}: {told}")
        only = list(proposal.rule) == ["from"]
        lines.append(f"  {name}: {flow(proposal.rule['from'] if only else proposal.rule)}")
    return lines


def flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    written = yaml.safe_dump(
        [value], default_flow_style=True, allow_unicode=True, sort_keys=False, width=_WIDE
    )
    return written.strip()[1:-1]


def _line(text: str) -> str:
    return " ".join(text.split())
