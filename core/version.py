"""The one place that asks which version of Tailor runs; pyproject.toml says it, and an installation records it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def tailor_version() -> str:
    """Return the version of the installed package.

    Raises RuntimeError where only the sources lie about: such a place lacks more than a number (entry points, data, the
    dependencies that the version stands for), so that what needs the version must not start without it.
    """
    try:
        return version("tailor")
    except PackageNotFoundError:
        raise RuntimeError(
            "tailor is not installed here, only its sources are: install its wheel, or in a checkout `pip install -e .`"
        ) from None
