-- Optuna's database is made by POSTGRES_DB; these are MLflow's and the ledger's.
CREATE DATABASE mlflow;
CREATE DATABASE ledger;
