"""Errors of the API as problem documents (RFC 9457), each with a pointer to the field that is wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agent.wording import need
from knowledge.errors import InputError, MissingInput
from server.models import FieldError, NeedField, Problem

MEDIA_TYPE = "application/problem+json"


# What every route may answer besides its own success; the key is for OpenAPI.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, text in {
        400: "Not readable",
        401: "A key is needed",
        403: "The key does not allow this",
        404: "Not there",
        405: "Wrong method",
        409: "In conflict with what is there",
        413: "Too large",
        415: "Wrong media type",
        421: "Not this server's name",
        422: "Bad input",
        429: "Too many requests",
    }.items()
}


class NotThere(Exception):
    """Nothing of the caller's goes by this id."""

    def __init__(self, what: str, ident: str) -> None:
        super().__init__(f"there is no {what} {ident!r}")


class Conflict(Exception):
    """What is asked does not go with the present state."""


def document(
    status: int,
    title: str,
    detail: str = "",
    errors: list[FieldError] | None = None,
    needs: list[NeedField] | None = None,
    needs_any_of: list[list[str]] | None = None,
) -> Problem:
    """A problem document."""
    return Problem(title=title, status=status, detail=detail, errors=errors or [], needs=needs or [], needs_any_of=needs_any_of or [])


def respond(problem: Problem, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    return JSONResponse(problem.model_dump(), status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def of_input(error: InputError) -> Problem:
    """The problem document of bad input; of missing input, with the form to fill in."""
    ways = [list(way) for way in error.alternatives] if isinstance(error, MissingInput) else []
    form = [NeedField(**need(field).model_dump()) for field in dict.fromkeys(field for way in ways for field in way)]
    pointer = "/" + error.field.replace("~", "~0").replace("/", "~1").replace(".", "/")
    return document(422, "Bad input", str(error), [FieldError(pointer=pointer, detail=error.problem, remedy=error.remedy)], form, ways)


def install(app: FastAPI) -> None:
    """Answer every kind of error with a problem document."""
    app.add_exception_handler(InputError, lambda _, error: respond(of_input(error)))  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(NotThere, lambda _, error: respond(document(404, "Not there", str(error))))
    app.add_exception_handler(Conflict, lambda _, error: respond(document(409, "Conflict", str(error))))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return respond(
        document(422, "Bad request", "the request does not fit the schema", [_field_error(item) for item in error.errors()[:20]])
    )


def _field_error(item: dict[str, Any]) -> FieldError:
    place = [str(part).replace("~", "~0").replace("/", "~1") for part in item["loc"]]
    inside = place[1:] if place and place[0] in ("body", "query", "path", "header") else place
    return FieldError(pointer="/" + "/".join(inside), detail=str(item["msg"]))


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return respond(
        document(error.status_code, str(error.detail), errors=[FieldError(pointer="/", detail=str(error.detail))]),
        dict(error.headers or {}),
    )
