"""A typed client of the HTTP API, and the types that go over the wire."""
