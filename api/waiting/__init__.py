"""Answers that come when a job changes: long polls and event streams, fed by one Redis reader a process."""
