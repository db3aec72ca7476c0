"""Requests that the server itself makes to where strangers say: only outside addresses, within limits."""
