"""Commands about learned prompts."""
