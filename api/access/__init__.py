"""What a request must bring before anybody looks at what it wants."""
