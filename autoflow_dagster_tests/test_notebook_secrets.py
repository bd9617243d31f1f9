"""Secrets out of notebooks and streams."""

from __future__ import annotations

import io
import json
from typing import Any

import nbformat
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoflow_dagster.notebooks.secrets import RedactedStream, spellings, without_secrets

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJEVU1NWSJ9.U0lHTkFUVVJF"
PASSWORD = "pä\"ss\\w'ord"


def notebook_with(text: str) -> Any:
    """Return a notebook that has a text in each place where one can be."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": f"{text}\nx{text}"},
        {
            "output_type": "error",
            "ename": "E",
            "evalue": text,
            "traceback": [text, f"\x1b[31m{text}"],
        },
        {
            "output_type": "display_data",
            "data": {"text/plain": text, "application/json": {"deep": [{text: text}]}},
            "metadata": {"x": text},
        },
    ]
    code = {
        "cell_type": "code",
        "execution_count": 1,
        "id": "b",
        "metadata": {"tags": [text]},
        "outputs": outputs,
        "source": f"token = {text!r}",
    }
    markdown = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text}
    return notebook_of([markdown, code], {"papermill": {"parameters": {"p": text}}})


def notebook_of(cells: list[Any], metadata: Any) -> Any:
    """Return a notebook object."""
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict(content)  # type: ignore[no-untyped-call]


def cleaned(secret: str, text: str) -> Any:
    """Return the notebook that has `text` everywhere, without a secret, as a valid notebook."""
    clean = without_secrets(notebook_with(text), spellings([secret]))
    nbformat.validate(clean)
    return notebook_of(clean["cells"], clean["metadata"])


@pytest.mark.parametrize("secret", [TOKEN, PASSWORD], ids=["token", "password"])
def test_no_place_of_a_notebook_keeps_a_secret(secret: str) -> None:
    """However the file writes it; what is left is a valid notebook."""
    clean = cleaned(secret, secret)
    text = nbformat.writes(clean)  # type: ignore[no-untyped-call]
    for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        assert form not in text
    assert clean.cells[0].source == "***"
    assert clean.cells[1].outputs[0].text == "***\nx***"
    assert clean.cells[1].outputs[1].traceback == ["***", "\x1b[31m***"]


def test_the_given_notebook_is_not_changed() -> None:
    """It is still needed to see that there was something to remove."""
    notebook = notebook_with(TOKEN)
    without_secrets(notebook, spellings([TOKEN]))
    assert notebook.cells[0].source == TOKEN
    assert TOKEN in notebook.cells[1].outputs[0].text


@pytest.mark.parametrize(
    "password",
    ["code", "stream", "stdout", "text", "cells", "source", "metadata", "name", "true", "null"],
)
def test_a_password_that_is_a_word_of_the_format_leaves_a_notebook(password: str) -> None:
    """Somebody will choose one."""
    clean = cleaned(password, f"before {password} after")
    assert clean.cells[0].source == "before *** after"
    assert clean.cells[1].outputs[0].name == "stdout"


def test_without_secrets_nothing_happens() -> None:
    """An empty value is none: it is everywhere."""
    notebook = notebook_with("x")
    assert without_secrets(notebook, ()) == notebook
    assert spellings(["", "x"]) == ("x",)


def test_what_python_shows_in_quotes_is_a_spelling() -> None:
    """As in the message of a KeyError."""
    assert spellings(["a\\b"]) == ("a\\b", "a\\\\b")


@given(
    st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3).map(tuple),
    st.lists(st.text("abc", max_size=6), max_size=8),
)
@example(("aab",), ["a", "a", "a", "b"])
@example(("ab", "b"), ["ca", "bb"])
def test_a_stream_passes_on_everything_but_secrets(
    secrets: tuple[str, ...], pieces: list[str]
) -> None:
    """In whatever pieces the text comes; what holds no secret comes through unchanged."""
    received = io.StringIO()
    stream = RedactedStream(received, secrets)
    for piece in pieces:
        assert stream.write(piece) == len(piece)
        stream.flush()
    stream.finish()
    text = "".join(pieces)
    assert all(secret not in received.getvalue() for secret in secrets)
    if not any(secret in text for secret in secrets):
        assert received.getvalue() == text


def test_a_stream_passes_text_on_at_once() -> None:
    """It is read while the notebook runs; only what may begin a secret is held back."""
    received = io.StringIO()
    stream = RedactedStream(received, spellings([TOKEN]))
    stream.write("line 1\nline 2")
    assert received.getvalue() == "line 1\nline 2"
    stream.write(TOKEN[:20])
    assert received.getvalue() == "line 1\nline 2"
    stream.write(TOKEN[20:] + " end")
    assert received.getvalue() == "line 1\nline 2*** end"


def test_a_stream_is_quick_with_long_tokens() -> None:
    """A token of all scopes has kilobytes; a notebook may print thousands of lines."""
    import time

    token = "eyJ" + "abcdefgh" * 1000
    stream = RedactedStream(io.StringIO(), (token,))
    started = time.process_time()
    for _ in range(1000):
        stream.write("a line of output that has letters e in every second word of the sentence\n")
    assert time.process_time() - started < 1
