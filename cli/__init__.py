"""The command line: `tailor up` runs everything on one machine, the rest talks HTTP to any server."""
