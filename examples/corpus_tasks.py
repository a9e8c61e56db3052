"""The task of `examples.corpus`: read one Python file and count what is in it."""

from __future__ import annotations

import hashlib
import io
import keyword
import os
import tokenize
from collections import Counter
from pathlib import Path
from typing import Any

from actorq import App

app = App("corpus")


def count_tokens(path: str) -> dict[str, Any]:
    """Return the counts of one file as plain data.

    A file that Python can't tokenize (the standard library's tests have some on purpose) counts up to its error, whose
    class is named: a corpus is what it is.
    """
    content = Path(path).read_bytes()
    names: Counter[str] = Counter()
    tokens, error = 0, ""
    try:
        for token in tokenize.tokenize(io.BytesIO(content).readline):
            tokens += 1
            if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
                names[token.string] += 1
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError) as problem:
        error = type(problem).__name__
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "lines": content.count(b"\n"),
        "tokens": tokens,
        "names": dict(names),
        "error": error,
    }


@app.task(name="corpus.count_file")
def count_file(path: str) -> dict[str, Any]:
    """Return the counts of one file, and which process counted them."""
    return {"pid": os.getpid(), "counts": count_tokens(path)}
