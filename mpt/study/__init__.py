"""Say what is asked, as data: studies, their files, presets and search spaces."""
