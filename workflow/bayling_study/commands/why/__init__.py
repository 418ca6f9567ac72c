"""Where a number comes from: the chain of jobs and files behind a file, verified."""
