"""Text for Slack: escaping, cutting, the little markup there is."""

from __future__ import annotations

# Slack has no escape for its own marks, so a mark that is meant as itself becomes its look-alike.
_MARKS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "`": "\u02cb", "~": "\u223c"})


def mrkdwn(text: str) -> str:
    """Plain text as mrkdwn that shows exactly it: no mention, link, emoji code or mark comes of it."""
    shown = text.translate(_MARKS)
    words = [word.replace("_", "\uff3f") if word.startswith("_") or word.endswith("_") else word for word in shown.split(" ")]
    return " ".join(words).replace(":", ":\u2060") if _emoji(shown) else " ".join(words)


def _emoji(text: str) -> bool:
    inside = text.split(":")[1:-1]
    return any(part and part.replace("_", "").replace("+", "").replace("-", "").isalnum() and not part.isdigit() for part in inside)


def cut(text: str, limit: int) -> str:
    """A text of at most `limit` characters, ending in an ellipsis where it was longer; an entity is never cut in two."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    entity = head.rfind("&")
    if entity > len(head) - 6 and ";" not in head[entity:]:
        head = head[:entity]
    return head.rstrip() + "…"


def code(text: str) -> str:
    """A formula as code."""
    return (
        "`" + text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "'").replace("\n", " ") + "`"
        if text.strip()
        else ""
    )


def bullets(lines: list[str], limit: int = 2900) -> str:
    """Lines as a list, as many as fit; what is left out is counted."""
    shown: list[str] = []
    for i, line in enumerate(lines):
        entry = "• " + cut(line, 700)
        if sum(map(len, shown)) + len(shown) + len(entry) > limit - 30:
            shown.append(f"… and {len(lines) - i} more")
            break
        shown.append(entry)
    return "\n".join(shown)
