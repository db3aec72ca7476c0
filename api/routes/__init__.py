"""The endpoints, by resource: each takes a request, calls what does the work and shows the answer."""
