"""Who may use the server: API keys, of which storage keeps a hash and the server no copy."""
