"""The machine under the engine: its memory, its cores, and the errors that say what is wrong with it."""
