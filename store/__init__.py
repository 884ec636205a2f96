"""What is kept: one module per noun, each with its tables and the few things that are done with them."""
