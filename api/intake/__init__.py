"""From what a client sent to what is accepted: bodies are read, fields checked, jobs stored."""
