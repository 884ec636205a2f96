"""A real Apache Kafka broker for the tests."""
