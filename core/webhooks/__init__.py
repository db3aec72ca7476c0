"""Webhooks (Standard Webhooks): what is owed to whom, kept in storage until it was delivered or given up."""
