"""What an owner has, newest first, from storage alone (docs/design.md, section 5)."""
