"""Hospital visits, whichever door tells of them: the rules that make one attendance one event, and what they must remember."""
