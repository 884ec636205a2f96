"""Pages for people who have no system that could send an event: one for each kind, behind their agency's key."""

from connectors.forms.routes import router
from connectors.forms.screens import PREFIX, Screens

__all__ = ["PREFIX", "Screens", "router"]
