"""What runs: runtimes, protocols, scoring, batch, schedules."""
