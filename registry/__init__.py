"""What is known and governed: models, versions, signatures, artifacts, datasets, people, audit."""
