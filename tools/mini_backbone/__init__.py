"""Pretrain and probe the embedded backbone."""
