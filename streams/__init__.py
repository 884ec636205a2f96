"""What we decide: the pipeline table, its steps, the one loop that runs them, and the list of children they look at."""
