"""Every promise has a test here that can fail."""
