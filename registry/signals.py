"""What the registry says has happened; serving listens. Sent inside the change's transaction."""

from __future__ import annotations

from django.dispatch import Signal

# version: ModelVersion that has just been registered and waits for its checks
version_registered = Signal()
# version: ModelVersion whose quarantine was lifted by an approval
version_released = Signal()
# version: ModelVersion that became ready, rejected or archived
version_settled = Signal()
# version: DatasetVersion that became ready or rejected
dataset_settled = Signal()
# request: ApprovalRequest that has just been opened for the move of an alias
approval_requested = Signal()
# version: DatasetVersion that was kept long enough; who still reads its rows answers True
dataset_expiring = Signal()
# version: DatasetVersion whose rows were erased; it names no file any more
dataset_erased = Signal()
# dataset: Dataset; answers with the models whose answers its rows hold
models_of_dataset = Signal()
# model: RegisteredModel; answers with the datasets whose rows hold its answers
answers_of_model = Signal()
