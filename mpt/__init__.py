"""mpt: meta-learned initial prompts for frozen language models, searched, recorded, promoted."""

__version__ = "0.1.0"
