"""A job's life: what is accepted, attempted, ended and put right. Storage decides (docs/design.md, section 5)."""
