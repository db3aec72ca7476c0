"""How the embedded model is made: drawings, captions, training, judges, measurements."""
