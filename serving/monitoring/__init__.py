"""Plain: pure statistics over what was answered."""
