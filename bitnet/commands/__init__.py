"""The commands of `bitnet`, one a file: each has `add_options` and `command`."""
