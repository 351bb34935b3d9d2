"""A plan as a document: Markdown, and HTML that needs nothing but itself."""

from __future__ import annotations

from html import escape

from agent.answer import Answer, Grid, Section

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.3; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--dim); font-weight: 500; } .dim { color: var(--dim); } figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
@media print { details { display: block } details > summary { display: none } body { margin: 0; max-width: none } }
"""


def markdown(answer: Answer) -> str:
    """The answer with its question and versions as Markdown."""
    made = ", ".join(f"{name} {text}" for name, text in answer.versions.items())
    return f"# {answer.question or 'Plan'}\n\n{answer.text}\n\n---\nMade with {made}.\n"


def html(answer: Answer, figures: dict[str, str] | None = None) -> str:
    """The answer as one HTML page; `figures` maps a caption to SVG made by us. All text is escaped."""
    title = escape(answer.question or "Plan")
    body = [f"<h1>{escape(answer.headline)}</h1>", f'<p class="dim">{title}</p>']
    body += [_section(section) for section in answer.sections if not section.detail]
    body += [f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for caption, svg in (figures or {}).items()]
    details = [_section(section) for section in answer.sections if section.detail]
    if details:
        body.append("<details><summary>Every value</summary>" + "".join(details) + "</details>")
    body.append('<p class="dim">Made with ' + escape(", ".join(f"{name} {text}" for name, text in answer.versions.items())) + ".</p>")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><body>" + "\n".join(body) + "</body></html>\n"
    )


def _section(section: Section) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in section.lines)
    return f"<h2>{escape(section.title)}</h2>" + (_table(section.grid) if section.grid else "") + (f"<ul>{lines}</ul>" if lines else "")


def _table(grid: Grid) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in grid.header)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in grid.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
