"""Run units of work on a device, a machine or a Ray cluster. The only room that imports ray."""
