"""The field on a real Stable Diffusion with photographs: CLIP and DINO in place of judges who know the truth."""
