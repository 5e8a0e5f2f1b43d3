"""The search for configurations: studies, samplers and pruners. The only room that uses Optuna."""
