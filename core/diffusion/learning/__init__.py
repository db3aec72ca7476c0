"""What only the learning of a tail needs: its pictures with their prompts, and previews of how far it is."""
