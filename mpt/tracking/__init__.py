"""Mirror the ledger to MLflow through a disk outbox. The only room that imports mlflow."""
