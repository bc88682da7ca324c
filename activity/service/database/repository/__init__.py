"""Small functions that read and write the tables; each takes the session of the caller's transaction."""
