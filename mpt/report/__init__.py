"""Pages, tables and figures; reads records only."""
