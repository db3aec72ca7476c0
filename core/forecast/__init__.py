"""When jobs will end: from what workers measure of themselves and the queue as it stands."""
