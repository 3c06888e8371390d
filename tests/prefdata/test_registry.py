"""A registry holds everything of its package, or says which module keeps it from that."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefdata.errors import PrefError
from prefdata.registry import Registry

MODULE = """
from prefdata.registry import Registry
from {package} import THINGS

THINGS.add("{name}", "{name}", __name__)
{last}
"""


def package_of(folder: Path, name: str, **modules: str) -> Registry[str]:
    """Returns the registry of a new package: module name -> its last line."""
    package = folder / name
    package.mkdir()
    source = f"from prefdata.registry import Registry\nTHINGS = Registry('thing', '{name}')\n"
    (package / "__init__.py").write_text(source)
    for module, last in modules.items():
        text = MODULE.format(package=name, name=module, last=last)
        (package / f"{module}.py").write_text(text)
    found: Registry[str] = __import__(name).THINGS
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_every_module_is_found_and_the_closest_name_is_named(folder: Path) -> None:
    things = package_of(folder, "sound_things", one="", two="")
    assert things.names() == list(things) == ["one", "two"]
    with pytest.raises(PrefError, match="there is no thing 'ones'") as error:
        things.get("ones")
    assert error.value.hint == "did you mean 'one'?"


def test_a_module_that_fails_is_named_every_time_and_nothing_is_half_there(folder: Path) -> None:
    things = package_of(folder, "broken_things", good="", sick="import no_such_module", well="")
    for _ in range(2):
        for ask in (things.names, lambda: things.get("good"), lambda: list(things)):
            with pytest.raises(PrefError, match=r"broken_things\.sick: ModuleNotFoundError"):
                ask()


def test_it_is_whole_once_the_module_is_mended(folder: Path) -> None:
    things = package_of(folder, "mended_things", good="", sick="1 / 0", well="")
    with pytest.raises(PrefError, match=r"mended_things\.sick: ZeroDivisionError"):
        things.names()
    module = folder / "mended_things" / "sick.py"
    module.write_text(module.read_text().replace("1 / 0", "# now it is well"))
    assert things.names() == ["good", "sick", "well"]


def test_a_module_may_ask_while_it_is_imported(folder: Path) -> None:
    things = package_of(folder, "asking_things", first="", second="assert THINGS.get('first')")
    assert things.names() == ["first", "second"]


def test_two_modules_of_one_name_are_both_named(folder: Path) -> None:
    last = "THINGS.add('one', 'other', __name__)"
    things = package_of(folder, "twice_things", one="", two=last)
    for _ in range(2):
        with pytest.raises(PrefError, match=r"both twice_things\.one and twice_things\.two"):
            things.names()
