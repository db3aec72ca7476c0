"""What runs and what can be done to it: servers, proxies, a fleet, a worker that a job can kill, a clock, a disk."""
