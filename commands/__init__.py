"""What an operator types. Each module is one noun; they call the rooms and hold no rule of their own."""
