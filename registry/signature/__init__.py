"""Plain: what goes into a model and what comes out: types, inference, validation, JSON Schema."""
