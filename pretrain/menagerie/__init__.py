"""The menagerie, a richer world at 128 px: looks that no word tells, scenes that do not always look alike."""
