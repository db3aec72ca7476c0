"""What is said of a picture: descriptions, and the pieces that they are cut into."""
