"""How good the API's word is on how long a job will take: jobs as people send them, and what was said of each."""
