"""The running service: its processes, health, storage, the copy of its inputs, its start and end."""
