"""FHIR R4: message Bundles in, the same events out as through every other door."""

from connectors.fhir.answers import outcome
from connectors.fhir.routes import PREFIX, router

__all__ = ["PREFIX", "outcome", "router"]
