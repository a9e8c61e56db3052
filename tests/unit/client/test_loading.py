from __future__ import annotations

import sys
import textwrap

import pytest

from actorq.app import App, load_app
from actorq.client.loading import find_module_name
from actorq.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder, name, code):
    (folder / name).write_text(textwrap.dedent(code))


def test_app_is_found_by_its_usual_name_by_being_the_only_one_and_by_path(here):
    write(here, "one.py", "from actorq import App\nother = App('x')\napp = App('a')\n")
    write(here, "two.py", "from actorq import App\nshop = App('shop')\nalias = shop\n")
    write(here, "three.py", "from actorq import App\nclass Box:\n    inner = App('deep')\n")
    assert load_app("one").name == "a"
    assert load_app("one:other").name == "x"
    assert load_app("two").name == "shop"
    assert load_app("three:Box.inner").name == "deep"


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        ("none", "x = 1", r"got none; name it: none:attribute"),
        ("many", "from actorq import App\na = App('a')\nb = App('b')", "choose many:a or many:b"),
        ("wrong:x", "x = 1", "to be an actorq.App, got int"),
        ("lacks:y", "x = 1", "has no attribute 'y'"),
        ("broken", "x = 1\n1 / 0", r"ZeroDivisionError: division by zero \(at .*broken.py:2\)"),
        ("typo", "import nothing_like_it", r"No module named 'nothing_like_it' \(at .*typo.py:1\)"),
        ("syntax", "x = (", r"SyntaxError: .* \(at .*syntax.py:1\)"),
        ("leaves", "import sys\nsys.exit(3)", "called sys.exit"),
        (
            "misnamed",
            "from actorq import App\n\napp = App('a/b')",
            r"^can't import misnamed: expected the application's name to be .*, got 'a/b' \(at .*misnamed.py:3\)$",
        ),
        (
            "asks",
            "from actorq import App\napp = App('a')\n@app.task(priority=99)\ndef f(): ...",
            r"^can't import asks: ValueError: .*99.* \(at .*asks.py:[34]\)$",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_says_where(here, spec, code, text):
    write(here, f"{spec.partition(':')[0]}.py", code)
    with pytest.raises(ConfigError, match=text) as caught:
        load_app(spec)
    assert "\n" not in str(caught.value)


def test_a_module_that_isnt_there_says_where_it_looked():
    with pytest.raises(ConfigError, match="looked in"):
        load_app("absent_module")
    with pytest.raises(ConfigError, match=r"did you mean 'pkg\.tasks'"):
        load_app("pkg/tasks.py")
    with pytest.raises(ConfigError):
        load_app("")


def test_includes_are_imported(here):
    write(here, "more.py", "from main_app import app\n@app.task\ndef extra(): pass\n")
    write(here, "main_app.py", "from actorq import App\napp = App('a', include=['more'])\n")
    app = load_app("main_app")
    app.import_includes()
    assert "more.extra" in app.tasks
    with pytest.raises(ConfigError, match="absent"):
        App("b", include=["absent"]).import_includes()


def test_a_program_names_its_tasks_as_a_node_would_import_them(monkeypatch, tmp_path):
    class Main:
        __spec__ = None
        __file__ = str(tmp_path / "shop.py")

    def work():
        pass

    work.__module__ = "__main__"
    monkeypatch.setitem(sys.modules, "__main__", Main)
    assert find_module_name(work) == "shop"


def test_a_name_that_is_no_folder_is_refused():
    for wrong in ("", "a/b", ".hidden"):
        with pytest.raises(ConfigError):
            App(wrong)
