"""The one-machine default: a broker and a PostgreSQL out of wheels, and the phone on the screen."""
