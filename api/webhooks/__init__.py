"""Sends webhooks. Every API process does: it has the views that are sent, no torch, and a way out to clients."""
