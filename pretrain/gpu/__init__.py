"""Training on a large GPU: many processes draw while others learn, so that hardly a picture is seen twice."""
