"""What this machine has for workers, and what each of them gets."""
