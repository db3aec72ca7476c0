"""The fault suite: real servers, a seeded plan of faults, jobs over HTTP, and an audit of what is left in storage."""
