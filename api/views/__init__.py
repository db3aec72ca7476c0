"""What clients get to see of what the core knows."""
