"""The trainings of text encoder, VAE and UNet, and the model that they give."""
