"""What a worker process does: one module per kind of job."""
