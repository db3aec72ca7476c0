"""`make test-images`: both images built, started as docker-compose.yml says, and used over HTTP."""
