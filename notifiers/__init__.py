"""Whom we tell and how: the pager, its channels, their words, and what phones answer."""
