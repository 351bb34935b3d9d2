"""Typed, pure tools over the law base: the only place where numbers are made."""
