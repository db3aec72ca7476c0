"""The clients of the fault suite: they send jobs, follow them, prove their results, and keep a ledger."""
