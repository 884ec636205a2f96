"""The shapes everyone agrees on: events, people, moments, outcomes, settings, metrics, sealing. Imports no other room."""
