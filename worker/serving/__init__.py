"""Serving: claims jobs, has the engine run them, and keeps their leases, progress and results."""
