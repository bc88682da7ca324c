"""The service: HTTP API, pages, durable jobs."""
