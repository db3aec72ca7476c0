"""Speed and quality, measured against the named peers side by side in one run."""
