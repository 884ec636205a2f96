"""The right child: joins the person of an event with the watched children (matching page)."""

from streams.matching.matcher import Matcher, Question

__all__ = ["Matcher", "Question"]
