"""Search configurations: studies, samplers and pruners. The only room that imports optuna."""
