"""Doors of serving: scoring, batch jobs and schedules over HTTP."""
