"""Who may do what: API keys, browser sessions, roles, and the gate that lets nobody else through."""
