"""From what people do and hold to one answer for a clip, and to alerts: rules that a person can read."""
