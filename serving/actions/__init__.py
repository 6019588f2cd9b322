"""What serving does: scoring, the checks that need a runtime, batch jobs, schedules."""
