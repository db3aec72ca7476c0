"""The base of everything that is written down as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1


class Record(BaseModel):
    """Base of what is stored: immutable; a newer version's field is passed over, so that versions can run together."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())
