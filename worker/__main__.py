"""`python -m worker`: a worker as the Dockerfile and `tailor up` start it."""

from __future__ import annotations

from worker.app import app

if __name__ == "__main__":
    app.worker_main(
        ["--quiet", "worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    )
