"""The shell's door: commands, and what they are wired from."""
