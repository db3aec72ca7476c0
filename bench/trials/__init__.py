"""One way of making edits, tried on many individuals and marked by a judge."""
