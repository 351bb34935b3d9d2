"""Errors of the API as problem documents (RFC 9457), each with a pointer to the field that is wrong."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from knowledge.errors import InputError, MissingInput

MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    """One fault: where in the body (JSON pointer) and what would be right."""

    pointer: str
    detail: str
    remedy: str = ""


class Problem(BaseModel):
    """A problem document."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    errors: list[FieldError] = []
    needs: list[list[str]] = []


def problem(status: int, title: str, detail: str = "", errors: list[FieldError] | None = None, needs: list[list[str]] | None = None,
            headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem document as a response."""
    body = Problem(title=title, status=status, detail=detail, errors=errors or [], needs=needs or [])
    return JSONResponse(body.model_dump(exclude_defaults=False), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def install(app: FastAPI) -> None:
    """Answer every kind of error with a problem document."""
    app.add_exception_handler(InputError, _input)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _input(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InputError)
    needs = [list(way) for way in error.alternatives] if isinstance(error, MissingInput) else []
    return problem(422, "Bad input", str(error), [FieldError(pointer=f"/{error.field.replace('.', '/')}", detail=error.problem, remedy=error.remedy)], needs)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problem(422, "Bad request", "the request does not fit the schema", [_field_error(item) for item in error.errors()])


def _field_error(item: dict[str, Any]) -> FieldError:
    place = [str(part) for part in item["loc"]]
    return FieldError(pointer="/" + "/".join(place[1:] if place and place[0] in ("body", "query", "path", "header") else place), detail=str(item["msg"]))


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))
