"""The model host: one confined process per loaded version, spoken to over a Unix socket."""
