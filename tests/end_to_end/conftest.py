from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack for all tests here: each leaves it running and idle."""
    with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def tail(stack: RunningStack) -> str:
    """A tail that was learned over HTTP, in few steps."""
    job = stack.personalize(steps=20, seed=1)
    return str(stack.succeeded(job["id"])["tail_id"])
