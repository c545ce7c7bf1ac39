"""Does a net see what is far away? The Long Range Arena, with seeds, chance levels and a Longformer that is one."""
