"""What may be done, by whom, atomically. Every action writes one audit event."""
