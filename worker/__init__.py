"""The worker process: `engine` computes, `serving` carries jobs to it and their results away."""
