"""Pure array functions: attention, masks, positions, losses, dropout. Nothing here holds state or knows a model."""
