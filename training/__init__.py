"""The engine: state, step, optimizer, mesh, checkpoints, journal, loop. It knows only the task protocol."""
