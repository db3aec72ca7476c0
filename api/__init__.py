"""The HTTP surface. A request's way: `routes` to `intake`, and out through `views`; `waiting` answers later."""
