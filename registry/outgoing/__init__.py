"""Plain: calls to hosts outside, only to those that are listed, and never to inner addresses."""
