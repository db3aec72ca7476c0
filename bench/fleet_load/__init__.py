"""A fleet whose engines only sleep: what the control plane costs when nothing is computed."""
