"""Plain: cron expressions, zones, and which of the due times are run."""
