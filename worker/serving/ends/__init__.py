"""How attempts end: what a job's end says, and how it is written."""
