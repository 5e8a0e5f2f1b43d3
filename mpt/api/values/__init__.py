"""What calls take and return: studies, prompts, frames and figures."""
