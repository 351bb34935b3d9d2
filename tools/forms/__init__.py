"""Forms of scaling laws, one family a file."""

from tools.forms._registry import Form, form, get_form, import_forms

__all__ = ["Form", "form", "get_form", "import_forms"]
