"""Define experiments as data: studies, study files, presets and search spaces."""
