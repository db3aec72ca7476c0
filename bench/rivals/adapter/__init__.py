"""A zero-shot adapter of the IP-Adapter class: trained once, it needs no optimization for a subject."""
