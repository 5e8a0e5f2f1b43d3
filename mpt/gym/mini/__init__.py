"""The embedded gym: few-shot tasks in template English, with no download."""

from mpt.gym.mini.gym import MiniGym

__all__ = ["MiniGym"]
