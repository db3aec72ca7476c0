"""The menagerie's trials: individuals that share every word, and what edits tell of one of them."""
