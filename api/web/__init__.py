"""The playground: the page at `/`, and the files that it loads."""
