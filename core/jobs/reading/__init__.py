"""Jobs as their readers see them."""
