"""The doors: parse, call one action, write out."""
