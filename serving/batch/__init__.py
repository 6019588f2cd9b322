"""Plain: what a batch job is made of: ranges of rows, parts of results, rejects, and their pace."""
