"""Run experiments: meta-training, sweeps and promotions, and their records."""
