"""Bodies that come in and go out: one serializer for each direction, and the kinds of objects."""
