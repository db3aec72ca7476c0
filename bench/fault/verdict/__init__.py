"""What a run of the fault suite came to: attempts, an audit of storage, recovery times, tables."""
