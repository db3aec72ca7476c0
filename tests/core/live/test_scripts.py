"""What holds of every Lua script, read as text: Redis Cluster asks for it, and so does whoever looks for a key."""

from __future__ import annotations

import re

import pytest

from core.live.scripts import FOLDER, names, source

SHARED = {path.stem: path.read_text() for path in (FOLDER / "shared").glob("*.lua")}
CALL = re.compile(r"redis\.call\('(\w+)', ([^,)]+(?:\[[^]]*\])?)")


def code(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


@pytest.mark.parametrize("name", names())
def test_a_script_makes_up_no_key(name: str) -> None:
    own = code((FOLDER / f"{name}.lua").read_text())

    assert "tailor:" not in source(name)
    assert {key for command, key in CALL.findall(own) if command != "PUBLISH" and not key.startswith("KEYS[")} == set()


@pytest.mark.parametrize("function", SHARED)
def test_a_shared_function_touches_only_keys_that_it_is_given(function: str) -> None:
    text = code(SHARED[function])
    given = re.search(r"local function \w+\(([^)]*)\)", text)

    assert given
    assert {key for _, key in CALL.findall(text)} <= set(given[1].split(", "))


@pytest.mark.parametrize("name", names())
def test_a_script_has_the_shared_functions_that_it_calls_and_no_others(name: str) -> None:
    own = code((FOLDER / f"{name}.lua").read_text())
    called = {function for function in SHARED if re.search(rf"\b{function}\(", own)}

    assert {function for function in SHARED if f"local function {function}(" in source(name)} == called
