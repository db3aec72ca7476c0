"""What Redis remembers: quick to ask, best effort, and filled from storage again when it is lost."""
