"""Load over HTTP, and the bare endpoint that it is compared with."""
