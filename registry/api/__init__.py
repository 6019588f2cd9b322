"""HTTP: resources of the registry, and what all resources share."""
