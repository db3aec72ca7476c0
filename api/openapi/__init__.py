"""What the server says of its own interface: the OpenAPI document, and the page that shows it."""
